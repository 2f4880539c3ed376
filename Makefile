# Targets are listed by `make help`. Every step is a script that can also be run by hand.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/hack/bin:$(CURDIR)/node_modules/.bin:$(PATH)

##@ A real cluster on this machine (root, Debian or Ubuntu; or CLUSTER=kind with Docker and kind)

NODES ?= 2
NODE ?= 1
CMD ?= ctr -n k8s.io images ls

.PHONY: cluster-build cluster-up cluster-down cluster-shell cluster-exec

cluster-build: ## Compile the cluster's programs (Kubernetes, etcd, containerd, …); about 12 minutes the first time
	hack/cluster/build.sh

cluster-up: ## Start a cluster, or add nodes to it [NODES=2]
ifeq ($(CLUSTER),kind)
	hack/cluster/kind.sh up $(NODES)
else
	hack/cluster/up.sh $(NODES)
endif

cluster-down: ## End the cluster; nothing of it stays but its logs
ifeq ($(CLUSTER),kind)
	hack/cluster/kind.sh down
else
	hack/cluster/down.sh
endif

cluster-shell: ## A shell with KUBECONFIG, kubectl and helm
	@hack/cluster/shell.sh

cluster-exec: ## Run a command on a node [NODE=1] [CMD="ctr -n k8s.io images ls"]
	@hack/cluster/exec.sh $(NODE) $(CMD)

##@ Other

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-26s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
