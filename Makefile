# `make help` lists the targets. Every step is a script that can also be run by hand.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/hack/bin:$(CURDIR)/node_modules/.bin:$(PATH)

##@ Development

# written by npm at the end of an installation
DEPS := node_modules/.package-lock.json

.PHONY: deps build lint format generate unit contract e2e test

# Not `npm ci`, which refuses a lock file without the native packages of platforms that a registry mirror does not carry. npm runs on the
# machine's own Node.js: hack/bin/node has none to offer before npm has brought it.
$(DEPS): package-lock.json
	PATH=$$(tr : '\n' <<<"$$PATH" | grep -v '/hack/bin$$' | paste -sd:) npm install --no-save
	@touch $@

deps: $(DEPS) ## Install the npm packages (which bring Node.js 24 where the machine's is older)

build: $(DEPS) ## Bundle the program into dist/program
	node hack/build.ts

lint: $(DEPS) ## Check format, lint, types and dead code
	npm run --silent format:check
	npm run --silent lint
	npm run --silent typecheck
	npm run --silent deadcode
	npm run --silent generate:protos:check
	node hack/chart-docs.ts --check

format: $(DEPS) ## Format the sources
	npm run --silent format

generate: $(DEPS) ## Write the files that are generated from schemas, protos and the chart's values
	npm run --silent generate
	npm run --silent generate:protos
	node hack/chart-docs.ts

unit: $(DEPS) ## Unit tests
	vitest run --project unit

contract: $(DEPS) cluster-build ## Tests against real components, each started alone
	vitest run --project contract

e2e: cluster-up cluster-images ## End-to-end tests on this checkout's cluster, which stays up
	vitest run --project e2e

test: $(DEPS) ## Everything: checks, unit, contract and end-to-end tests on a cluster of their own
	@node hack/test.ts

##@ Images and installation

# Names of the images; the default RELEASE_VERSION is the version in package.json with a leading v.
export CONTROLLER_IMAGE_REPO WEBHOOK_SERVER_IMAGE_REPO CRI_CLIENT_IMAGE_REPO OPERATOR_IMAGE_REPO BUSYBOX_IMAGE_REPO RELEASE_VERSION BASE_IMAGE PLATFORMS PUSH REGISTRY INSECURE
KUBECTL ?= kubectl
export KUBECTL

.PHONY: images push-images deploy-using-yaml deploy-webhook-server-using-yaml remove-webhook-server remove-kubefledged

images: build ## Build the images, by Docker's buildx or by buildah [PUSH=1] [PLATFORMS=linux/amd64,linux/arm64]
	hack/images/build.sh

push-images: ## Push the images [REGISTRY=host:port/path] [INSECURE=1]
	hack/images/push.sh

deploy-using-yaml: ## Install into kubectl's current context [CONTROLLER_IMAGE_REPO=] [BUSYBOX_IMAGE_REPO=] [RELEASE_VERSION=]
	hack/deploy/yaml.sh apply

deploy-webhook-server-using-yaml: ## Add the webhook server, which checks image caches when they are written [WEBHOOK_SERVER_IMAGE_REPO=]
	hack/deploy/yaml.sh apply-webhook-server

remove-webhook-server: ## Remove the webhook server again
	hack/deploy/yaml.sh remove-webhook-server

remove-kubefledged: ## Remove everything again, image caches and CRDs included
	hack/deploy/yaml.sh remove

##@ A real cluster on this machine (root, Debian or Ubuntu; or CLUSTER=kind with Docker and kind)

NODES ?= 2
NODE ?= 1
CMD ?= ctr -n k8s.io images ls

.PHONY: cluster-build cluster-up cluster-down cluster-shell cluster-exec cluster-images cluster-deploy demo

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

cluster-images: $(DEPS) ## Build the images and push them into the cluster's registry
	hack/cluster/images.sh

cluster-deploy: cluster-images ## Install what this checkout builds into the cluster
	hack/cluster/deploy.sh

ifeq ($(CLUSTER),kind)
demo:
	@echo "make demo shows what the runtimes of the nodes list, which needs the cluster of hack/cluster. With kind: make cluster-up cluster-deploy CLUSTER=kind" >&2; exit 2
else
demo: cluster-up cluster-deploy ## Start a cluster, install, and watch images arrive on its nodes
	@node hack/demo.ts
endif

##@ Other

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
