# Without credentials: exit code 4, and which ones are missing.  No metadata
# endpoint, and no az, of the machine that this runs on.
export AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 AZURE_TOKEN_CREDENTIALS=EnvironmentCredential
azswarm deploy-storage
azswarm create-shares
azswarm params
azswarm deploy-compute
azswarm view-deployment
azswarm list-agents
azswarm scale-agents 3
azswarm scale-agents-3
azswarm stop-agents
azswarm start-agents
azswarm deallocate-agents
azswarm list-endpoints
azswarm endpoints
azswarm resources
azswarm locations
azswarm sizes
azswarm destroy-compute
azswarm destroy-storage
azswarm destroy-cluster
AZURE_TENANT_ID=t AZURE_CLIENT_ID=c azswarm locations
AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_SECRET= AZURE_SUBSCRIPTION_ID=s azswarm locations
printf 'AZURE_TENANT_ID=t\nAZURE_CLIENT_SECRET=hunter2\n' >.env; azswarm locations; rm .env
azswarm locations --azure-tenant-id t --azure-client-id c --azure-subscription-id s
azswarm locations --output json --quiet
# bad settings are told first
azswarm sizes --location X
# the whole chain
AZURE_TOKEN_CREDENTIALS= PATH=${PATH%%:*} azswarm locations
AZURE_TOKEN_CREDENTIALS=prod azswarm locations
AZURE_TOKEN_CREDENTIALS=dev PATH=${PATH%%:*} azswarm locations
AZURE_TOKEN_CREDENTIALS=nobody azswarm locations
AZURE_CLOUD=AzureGermanCloud azswarm locations
azswarm locations --azure-client-certificate-alg RS512
AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_CERTIFICATE_PATH=/no/such.pem azswarm locations
