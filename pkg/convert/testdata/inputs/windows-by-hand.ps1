<powershell>
$cluster = "prod"
$region = (Get-EC2InstanceMetadata -Category Region).SystemName
& "C:\Program Files\Amazon\EKS\Start-EKSBootstrap.ps1" -EKSClusterName $cluster `
  -KubeletExtraArgs "--node-labels=os=win,region=$region --register-with-taints='os=windows:NoSchedule'" `
  -KubeProxyExtraArgs '--v=4' -ServiceCIDR 172.20.0.0/16 -ExcludedSnatCIDRs '10.0.0.0/8' 3>&1 4>&1 5>&1 6>&1
</powershell>
<persist>true</persist>
