#!/usr/bin/env bash
# Snakemake's jobs as Kubernetes jobs: job.sh submit <threads> <mem_mb> <gpu> <script> | status <name>
set -euo pipefail

submit() {
    local name="rlpipe-$(date +%s)-$RANDOM$RANDOM"
    local gpu=""
    [ "$3" = 0 ] || gpu=", \"nvidia.com/gpu\": \"$3\""
    kubectl create -o name -f - >/dev/null <<JOB
{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "$name", "labels": {"app": "rlpipe"}},
 "spec": {"backoffLimit": 0, "ttlSecondsAfterFinished": 86400, "template": {"spec": {
  "restartPolicy": "Never",
  "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": "${RLPIPE_CLAIM:?names the volume claim}"}}],
  "containers": [{"name": "job", "image": "${RLPIPE_IMAGE:?names the container image}",
   "command": ["bash", "$4"], "workingDir": "$PWD",
   "volumeMounts": [{"name": "work", "mountPath": "${RLPIPE_MOUNT:?is where the volume is mounted}"}],
   "resources": {"requests": {"cpu": "$1", "memory": "$2M"}, "limits": {"memory": "$2M"$gpu}}}]}}}}
JOB
    echo "$name"
}

status() {
    case "$(kubectl get job "$1" -o jsonpath='{.status.succeeded}/{.status.failed}')" in
        1/*) echo success ;;
        */1) echo failed ;;
        *) echo running ;;
    esac
}

case "$1" in
    submit) shift && submit "$@" ;;
    status) status "$2" ;;
    *) echo "job.sh submit | status, not $1" >&2 && exit 2 ;;
esac
