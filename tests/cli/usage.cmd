# What one sees who does not know yet.
azswarm
azswarm help
azswarm --help
azswarm -h
azswarm -v | sed -n '1s| .*||p'
azswarm -V | sed -n '1s| .*||p'
azswarm help settings
azswarm help sign-in
azswarm help exit-codes
azswarm help flags
azswarm help first-steps
azswarm help files
azswarm help azswarm

# a command that is none, and what was probably meant
azswarm scale-agent 3
azswarm dploy-compute
azswarm list-agent
azswarm Keys
azswarm frobnicate
azswarm scale-agents-
azswarm scale-agents-x
azswarm scale-agents--1
azswarm ''
azswarm --frobnicate
azswarm deploy-weavescope
azswarm help frobnicate
azswarm help scale-agent
azswarm help keys params
azswarm ls
azswarm heal
azswarm scale 3
azswarm shell agents000000 df
azswarm uncordon agents000000
azswarm port-forward
azswarm xy
azswarm statsu
