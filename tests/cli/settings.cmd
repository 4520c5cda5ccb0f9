# Each setting, refused before anything is done, with where it came from.
azswarm up --compute-group Swarm
azswarm up --compute-group=ab
azswarm up --storage-group 'a b'
azswarm up --storage-group swarm-cluster
azswarm up --location 'East US'
azswarm up --master-count 2
azswarm up --master-count 9
azswarm up --agent-count many
azswarm up --agent-count 6
azswarm up --min-agent-count 6
azswarm up --max-agent-count -1
azswarm up --master-size 'Standard D2'
azswarm up --agent-size ''
azswarm keys --admin-username root
azswarm keys --admin-username ../../x
azswarm up --storage-account-name My-Account
azswarm up --file-shares 'config Data'
azswarm up --share-name 'a b'
azswarm keys --own-key perhaps
azswarm up --vmss-name agents-of-mine
azswarm up --monitor-public perhaps
azswarm up --ssh-source everybody-else
azswarm up --docker-channel stable
azswarm up --trusted-launch perhaps
azswarm scale-agents 3 --drain-limit 0
azswarm scale-agents 3 --warm-agents many
azswarm up --rebalance always
azswarm up --autoscale-out 101
azswarm up --autoscale-in 30
DRAIN_LIMIT=soon azswarm up --agent-size Standard_D2ls_v5 --autoscale-in 49
azswarm up --azure-tenant-id a/b
azswarm up --azure-subscription-id a/b

# from the environment, a file, and who wins
LOCATION=East\ US azswarm keys
LOCATION= MASTER_COUNT=4 azswarm keys
echo 'LOCATION="West US"' >.env; azswarm keys
LOCATION='East US' azswarm keys
LOCATION='East US' azswarm up --location 'North US'
LOCATION='East US' azswarm up --location 'North US' --location 'South US'
azswarm version | head -c 7
printf 'LOCATION=eastus\nMASTER_COUNT 3\n' >.env; azswarm keys
printf 'LOCATION="eastus\n' >.env; azswarm keys
rm .env; mkdir .env; azswarm keys; rmdir .env

# endpoints
AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_SECRET=s AZURE_SUBSCRIPTION_ID=s AZURE_RESOURCE_MANAGER_ENDPOINT=http://localhost azswarm locations
AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_SECRET=s AZURE_SUBSCRIPTION_ID=s AZURE_RESOURCE_MANAGER_ENDPOINT=https://localhost/path AZURE_AUTHORITY_HOST=https://localhost azswarm locations
AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_SECRET=s AZURE_SUBSCRIPTION_ID=s AZURE_AUTHORITY_HOST=login azswarm locations

# nothing of that was begun
ls -A
