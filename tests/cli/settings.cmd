# Each setting, refused before anything is done, with where it came from.
azswarm keys --compute-group Swarm
azswarm keys --compute-group=ab
azswarm keys --storage-group 'a b'
azswarm keys --storage-group swarm-cluster
azswarm keys --location 'East US'
azswarm keys --master-count 2
azswarm keys --master-count 9
azswarm keys --agent-count many
azswarm keys --agent-count 6
azswarm keys --min-agent-count 6
azswarm keys --max-agent-count -1
azswarm keys --master-size 'Standard D2'
azswarm keys --agent-size ''
azswarm keys --admin-username root
azswarm keys --admin-username ../../x
azswarm keys --storage-account-name My-Account
azswarm keys --file-shares 'config Data'
azswarm keys --share-name 'a b'
azswarm keys --own-key perhaps
azswarm keys --vmss-name agents-of-mine
azswarm keys --monitor-public perhaps
azswarm keys --ssh-source everybody-else
azswarm keys --docker-channel stable
azswarm keys --trusted-launch perhaps
azswarm keys --drain-limit 0
azswarm keys --warm-agents many
azswarm keys --rebalance always
azswarm keys --autoscale-out 101
azswarm keys --autoscale-in 30
azswarm keys --agent-size Standard_D2ls_v5 --autoscale-in 49 --drain-limit soon
azswarm keys --azure-tenant-id a/b
azswarm keys --azure-subscription-id a/b

# from the environment, a file, and who wins
LOCATION=East\ US azswarm keys
LOCATION= MASTER_COUNT=4 azswarm keys
echo 'LOCATION="West US"' >.env; azswarm keys
LOCATION='East US' azswarm keys
LOCATION='East US' azswarm keys --location 'North US'
LOCATION='East US' azswarm keys --location 'North US' --location 'South US'
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
