#!/bin/bash
# A script as people write it: nothing of the cluster but its name.
set -o xtrace
export HTTPS_PROXY=http://proxy.example.com:3128
CLUSTER="prod"   # the cluster
TOKEN=$(curl -s -X PUT http://169.254.169.254/latest/api/token -H "X-aws-ec2-metadata-token-ttl-seconds: 60")
INSTANCE_LIFECYCLE=`curl -s -H "X-aws-ec2-metadata-token: $TOKEN" http://169.254.169.254/latest/meta-data/instance-life-cycle`
yum install -y amazon-ssm-agent && systemctl enable --now amazon-ssm-agent
cat <<'DOC' > /etc/sysctl.d/90-own.conf
vm.max_map_count = 262144
DOC
if [[ "$INSTANCE_LIFECYCLE" == "spot" ]]; then
  EXTRA="--register-with-taints=spot=true:PreferNoSchedule"
fi
/etc/eks/bootstrap.sh ${CLUSTER} \
  --container-runtime dockerd \
  --docker-config-json '{"log-opts": {"max-size": "10m"}}' \
  --enable-docker-bridge true \
  --pause-container-version 3.9 \
  --containerd-config-file /etc/eks/containerd.toml \
  --aws-api-retry-attempts 7 \
  --mount-bpf-fs true \
  --kubelet-extra-args "--node-labels=lifecycle=$INSTANCE_LIFECYCLE,team=web --hostname-override=$(hostname) --allowed-unsafe-sysctls=net.core.* --reserved-cpus 0-1 --network-plugin=cni --cloud-provider=aws --log-dir=/var/log ${EXTRA:-}" \
  --node-labels=oops
