azswarm clean
mkdir -p parameters/sub keys; echo x >parameters/cluster.json; echo x >parameters/sub/y; echo x >keys/z
azswarm clean
ls
ls keys
azswarm clean extra
ln -s keys parameters; azswarm clean; ls; ls keys
