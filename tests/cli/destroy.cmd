# Nothing is destroyed unless it is named.  Nobody is asked over the network.
export AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_SECRET=s AZURE_SUBSCRIPTION_ID=s
azswarm destroy-compute
azswarm destroy-storage
azswarm destroy-cluster
azswarm destroy-compute --compute-group other
azswarm destroy-compute <&-
echo swarm-cluster | azswarm destroy-compute
azswarm destroy-compute --confirm
azswarm destroy-compute --confirm ''
azswarm destroy-compute --confirm swarm
azswarm destroy-compute --confirm=Swarm-Cluster
azswarm destroy-storage --confirm swarm-cluster
azswarm destroy-cluster --confirm swarm-storage
azswarm destroy-compute --confirm swarm-storage --no-wait

# numbers are looked at before Azure is
azswarm scale-agents many
azswarm scale-agents 1001
azswarm scale-agents -1
azswarm scale-agents 18446744073709551617
azswarm scale-agents-5000
