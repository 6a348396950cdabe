"""Answers of a real Slurm 22.05.8 about itself, as its commands printed them."""

PING = "Slurmctld(primary) at ctl is UP\n"

PARTITION_GPU = (
    "PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=YES "
    "QoS=N/A DefaultTime=00:30:00 DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO "
    "MaxNodes=UNLIMITED MaxTime=1-00:00:00 MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED "
    "Nodes=node[1-3] PriorityJobFactor=1 PriorityTier=10 RootOnly=NO ReqResv=NO OverSubscribe=NO "
    "OverTimeLimit=NONE PreemptMode=OFF State=UP TotalCPUs=12 TotalNodes=3 "
    "SelectTypeParameters=NONE JobDefaults=(null) DefMemPerCPU=500 MaxMemPerNode=UNLIMITED "
    "TRES=cpu=12,mem=187.50G,node=3,billing=12,gres/gpu=6\n"
)
PARTITIONS = PARTITION_GPU + PARTITION_GPU.replace("=gpu ", "=scavenge ").replace(
    "PreemptMode=OFF", "PreemptMode=REQUEUE"
)

NODES = """\
node1|4|64000|gpu:2|idle|(null)
node2|4|64000|gpu:2|mixed|(null)
node3|4|64000|gpu:2|idle|(null)
"""

CONFIG = """\
Configuration data as of 2026-11-23T23:20:56
AccountingStorageEnforce = associations,limits,qos
AccountingStorageType   = accounting_storage/slurmdbd
DefMemPerNode           = UNLIMITED
EnforcePartLimits       = ALL
JobRequeue              = 1
MaxArraySize            = 1001
MaxJobCount             = 10000
MaxMemPerNode           = UNLIMITED
MinJobAge               = 300 sec
PreemptMode             = REQUEUE
PreemptType             = preempt/partition_prio
ProctrackType           = proctrack/cgroup
SlurmctldHost[0]        = ctl(10.99.0.1)
SLURM_VERSION           = 22.05.8

Cgroup Support Configuration:
AllowedRAMSpace         = 100.0%

Slurmctld(primary) at ctl is UP
"""

ASSOCIATIONS = """\
Cluster|Account|User|Partition|Share|Priority|GrpJobs|GrpTRES|GrpSubmit|GrpWall|GrpTRESMins|\
MaxJobs|MaxTRES|MaxTRESPerNode|MaxSubmit|MaxWall|MaxTRESMins|QOS|Def QOS|GrpTRESRunMins
tmgg|research|alice||1|||||||||||||normal,tiny||
"""

QUALITIES = """\
Name|Priority|GraceTime|Preempt|PreemptExemptTime|PreemptMode|Flags|UsageThres|UsageFactor|\
GrpTRES|GrpTRESMins|GrpTRESRunMins|GrpJobs|GrpSubmit|GrpWall|MaxTRES|MaxTRESPerNode|MaxTRESMins|\
MaxWall|MaxTRESPU|MaxJobsPU|MaxSubmitPU|MaxTRESPA|MaxJobsPA|MaxSubmitPA|MinTRES
normal|0|00:00:00|||cluster|||1.000000|||||||||||||||||
tiny|0|00:00:00|||cluster|DenyOnLimit||1.000000|||||||cpu=1|||||1|2||||
"""

WOULD_START = (
    "sbatch: Job 7 to start at 2026-11-23T23:30:45 using 12 processors on nodes node[1-3] in "
    "partition gpu\n"
)
