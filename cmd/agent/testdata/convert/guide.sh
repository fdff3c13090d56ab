#!/bin/bash
set -ex
yum install -y amazon-cloudwatch-agent
ZONE=$(curl -s http://169.254.169.254/latest/meta-data/placement/availability-zone)
/etc/eks/bootstrap.sh prod \
  --apiserver-endpoint https://ABCDEF0123456789.gr7.eu-west-1.eks.amazonaws.com \
  --dns-cluster-ip 172.20.0.10 --use-max-pods false --container-runtime containerd \
  --kubelet-extra-args "--node-labels=team=web,zone=$ZONE --register-with-taints=web=true:NoSchedule --max-pods=58 --kube-reserved=cpu=100m,memory=1Gi --allowed-unsafe-sysctls=net.core.somaxconn --log-dir=/var/log/kubelet"
