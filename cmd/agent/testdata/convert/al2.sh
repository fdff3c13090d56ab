#!/bin/bash
set -ex
/etc/eks/bootstrap.sh my-cluster \
  --apiserver-endpoint https://ABCDEF0123456789.gr7.eu-west-1.eks.amazonaws.com \
  --dns-cluster-ip 10.100.0.10 \
  --kubelet-extra-args '--node-labels=team=web --max-pods=29'
