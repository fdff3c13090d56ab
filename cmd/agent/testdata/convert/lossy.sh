yum install -y htop
/etc/eks/bootstrap.sh my-cluster
