# Flags and words that are not taken.
azswarm keys --frobnicate
azswarm keys --frobnicate=secret-value
azswarm keys -x
azswarm params --agent-siz Standard_B2s
azswarm params --agent-cuont=4
azswarm list-agents --agent-siz Standard_B2s
azswarm up --yse
azswarm scale-agents 3 --nowait
azswarm keys --no-wait
azswarm list-agents --confirm x
azswarm version --dir /tmp
azswarm clean --watch=yes
azswarm view-deployment --watch=yes
azswarm keys --quiet=yes
azswarm up --location
azswarm up --location=
azswarm keys --output
azswarm keys --output xml
azswarm keys --output=
azswarm keys -o yaml
azswarm list-agents -o json
azswarm keys extra
azswarm keys -- extra
azswarm keys -- --location
azswarm keys -
azswarm version 1 2 3
azswarm scale-agents
azswarm scale-agents 3 4
azswarm scale-agents-7 8
azswarm help a b
azswarm restart-agents --yes
azswarm reimage-agents-serial --yes
azswarm reimage-agents-serial --at-a-time
azswarm reimage-agents-parallel --hard
azswarm chaos-monkey 3
azswarm chaos-monkey --rounds
azswarm chaos-monkey --yes
azswarm replace-master
azswarm replace-master 1 --no-wait
azswarm recover 1
azswarm recover --from
azswarm recover --yes
azswarm rebalance --no-wait
azswarm rebalance a b
azswarm evict
azswarm return
azswarm evict a --yes
azswarm plan --dry-run
azswarm plan --no-wait
azswarm plan extra
azswarm deploy-compute --dry-run=yes
azswarm params --dry-run
azswarm emulator
azswarm emulator --cores many --dir x
azswarm emulator --dir x --machines frobnicate
azswarm agent frobnicate
azswarm scale-service
azswarm scale-service-4 5
azswarm scale-service- 4
azswarm deploy-replicated-service 4
azswarm deploy-stack --stop
azswarm destroy-service --no-wait
azswarm proxy x
azswarm proxy -L
azswarm keys -L 1:a:1
azswarm ssh -L 1:a:1
azswarm docker-env --stop=yes
azswarm tail-helper --follow
azswarm image
azswarm image -o
azswarm completion
azswarm completion ksh
azswarm man azswarm

# a setting that the command does not read
azswarm deploy-compute --agent-size Standard_D2s_v5
azswarm plan --ssh-source=203.0.113.0/24
azswarm deploy-compute --redis-image redis:8
azswarm list-agents --agent-count 3
azswarm keys --location
azswarm version --location eastus
azswarm role --compute-group x
azswarm logout --admin-username x
azswarm login --azure-token-credentials dev
azswarm deploy-stack --warm-agents 1
azswarm endpoints --vmss-name x

# a secret on the command line would be read by everybody here
azswarm locations --azure-client-secret=hunter2
azswarm locations --azure-client-secret hunter2

# nothing of that was begun
azswarm logs
azswarm logs web -x
azswarm logs web --tail
azswarm logs web db
azswarm exec web
azswarm exec --itt web sh
azswarm exec -e
azswarm exec -f web sh
ls
