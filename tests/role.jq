# The actions of Azure's access control that an operator's role needs: what
# commands asked of Resource Manager (exchanges as 'azswarm emulator --record'
# writes them), and what deploying the template asks of it in his name.
#
#	jq -nr --slurpfile template assets/arm/cluster.json -f tests/role.jq FILE...
#
# An action is the type of what is asked, and read, write or delete; of a POST,
# its last word and "action" ("Azure custom roles", "Azure permissions",
# learn.microsoft.com).

# What Microsoft calls otherwise than its path; null: not in Microsoft's lists,
# and a role that names it would be refused.
def renamed: . as $name | {
	"Microsoft.Authorization/acquirePolicyToken/action": "Microsoft.Authorization/acquirePolicyToken/read",
	"Microsoft.Resources/subscriptions/resourceGroups/deployments/operations/read":
		"Microsoft.Resources/deployments/operations/read",
	"Microsoft.Storage/checkNameAvailability/action": "Microsoft.Storage/checknameavailability/read",
	"Microsoft.Storage/storageAccounts/ListServiceSas/action": "Microsoft.Storage/storageAccounts/listServiceSas/action",
	"Microsoft.Storage/locations/asyncoperations/read": null
} | if has($name) then .[$name] // empty else $name end;

def every_other: [to_entries[] | select(.key % 2 == 0).value];

def verb: { GET: "read", HEAD: "read", PUT: "write", PATCH: "write", DELETE: "delete" }[.];

# ["NS", "type", "name", ...], and the word behind them when it is a POST
def of_provider($method): .[0] as $ns | .[1:] |
	if length == 0 then "Microsoft.Resources/subscriptions/providers/read"
	elif $method == "POST" then [$ns, (.[:-1] | every_other[]), .[-1], "action"] | join("/")
	else [$ns, every_other[], ($method | verb)] | join("/")
	end;

# ["subscriptions", "S", "resourceGroups", "G", ...]
def of_manager($method): ["Microsoft.Resources", every_other[], ($method | verb)] | join("/");

def action: .method as $method |
	(.url | sub("^https://[^/]*/"; "") | sub("[?].*"; "") | sub("resourcegroups"; "resourceGroups") | split("/")) |
	(map(ascii_downcase) | rindex("providers")) as $at |
	if $at != null then .[$at + 1:] | of_provider($method) else of_manager($method) end | renamed;

# A text, and those of the variables in it.
def told($variables): ., (scan("variables\\('([^']*)'\\)")[0] as $v | $variables[$v] | .. | strings | told($variables));

# To name a resource of Microsoft.Network in another is to join them.
def joined($variables): .type as $own | .properties | .. | strings | told($variables) |
	scan("resourceId\\('(Microsoft\\.Network/[^']*)'")[0] |
	select(startswith($own + "/") | not) | . + "/join/action";

# Deploying writes what is in the template, a plan and the outputs read it; a
# provider that was never used is registered on the way.
def of_template: .variables as $variables | .resources[] |
	.type + "/read", .type + "/write", (.type | split("/")[0] + "/register/action"), joined($variables);

[(inputs | select(.url | test("^https://[^/]*/subscriptions([/?]|$)")) | action), ($template[0] | of_template)] |
	unique_by(ascii_downcase)[]
