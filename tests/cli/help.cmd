# One page for each command.
azswarm help keys
azswarm help deploy-storage
azswarm help create-shares
azswarm help params
azswarm help deploy-compute
azswarm help view-deployment
azswarm help list-agents
azswarm help scale-agents
azswarm help stop-agents
azswarm help start-agents
azswarm help deallocate-agents
azswarm help list-endpoints
azswarm help endpoints
azswarm help resources
azswarm help locations
azswarm help sizes
azswarm help destroy-compute
azswarm help destroy-storage
azswarm help destroy-cluster
azswarm help clean
azswarm help emulator
azswarm help helper
azswarm help agent
azswarm help version
azswarm help help

# the same by a flag, wherever it stands, whatever is missing
azswarm clean --help
azswarm clean -h
azswarm scale-agents --help
azswarm destroy-compute --no-wait --help
