#!/usr/bin/env bash
exec kubectl delete job --wait=false "$@"
