# `make help` lists the targets. Every step is a script that can also be run by hand.
# macOS has GNU make 3.81, which knows no .SHELLFLAGS: a recipe fails by the last command of a line only.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/hack/bin:$(CURDIR)/node_modules/.bin:$(PATH)

##@ Development

# written by npm at the end of an installation
DEPS := node_modules/.package-lock.json

.PHONY: deps build fix verify lint hack unit contract e2e e2e-test test scale

# Not `npm ci`, which refuses a lock file without the native packages of platforms that a registry mirror does not carry. npm runs on the
# machine's own Node.js: hack/bin/node has none to offer before npm has brought it.
$(DEPS): package-lock.json
	PATH=$$(tr : '\n' <<<"$$PATH" | grep -v -e '/hack/bin$$' -e '/node_modules/\.bin$$' | paste -sd: -) npm install --no-save
	@touch $@

deps: $(DEPS) ## Install the npm packages (which bring Node.js 24 where the machine's is older)

build: $(DEPS) ## Bundle the program into dist/program
	node hack/build.ts

fix: $(DEPS) ## Write the generated files, fix what the linter can, and format
	npm run --silent generate
	npm run --silent generate:protos
	node hack/chart-docs.ts
	status=0; npm run --silent lint -- --fix || status=$$?; npm run --silent format; exit $$status

verify lint: $(DEPS) ## Check format, lint, types, dead code and generated files; changes nothing
	npm run --silent format:check
	npm run --silent lint
	npm run --silent typecheck
	npm run --silent deadcode
	npm run --silent generate:check
	npm run --silent generate:protos:check
	node hack/chart-docs.ts --check

hack: fix ## Fix, then verify, as in kube-fledged
	@$(MAKE) verify

unit: $(DEPS) ## Unit tests
	vitest run --project unit

contract: $(DEPS) cluster-build ## Tests against real components, each started alone
	vitest run --project contract

e2e e2e-test: cluster-up cluster-images ## End-to-end tests on this checkout's cluster, which stays up
	hack/old-release/build.sh
	vitest run --project e2e

test: $(DEPS) ## Everything: checks, unit, contract and end-to-end tests on a cluster of their own
	@node hack/test.ts

scale: $(DEPS) cluster-build ## What the controller takes with 5 000 nodes, against its budgets [SCENARIOS="present edit"] [NODES=5000]
	node test/scale/main.ts $(SCENARIOS)

##@ Images

# What the images are called, as for kube-fledged; the default RELEASE_VERSION is the version in package.json with a leading v.
export CONTROLLER_IMAGE_REPO WEBHOOK_SERVER_IMAGE_REPO CRI_CLIENT_IMAGE_REPO OPERATOR_IMAGE_REPO BUSYBOX_IMAGE_REPO RELEASE_VERSION
export BASE_IMAGE TARGET_PLATFORMS BUILD_OUTPUT PROGRESS HTTP_PROXY HTTPS_PROXY NO_PROXY REGISTRY INSECURE FLEDGED_REPOSITORY

IMAGES := controller webhook-server cri-client operator busybox
# those that Node.js has official builds for
PLATFORMS := linux/amd64,linux/arm64

.PHONY: images push-images image push install-buildx release release-amd64 clean
.PHONY: $(IMAGES:%=%-image) $(IMAGES:%=%-amd64) $(IMAGES:%=%-dev) $(IMAGES:%=clean-%)

images: build ## Build the images for this machine, by Docker's buildx or by buildah
	hack/images/build.sh

push-images: ## Push what `make images` has built [REGISTRY=host:port/path] [INSECURE=1]
	hack/images/push.sh

image: build ## Build the controller's image for this machine [FLEDGED_REPOSITORY=host/path/fledged:tag]
	hack/images/build.sh controller

push: ## Push what `make image` has built [FLEDGED_REPOSITORY=] [INSECURE=1]
	hack/images/push.sh controller

install-buildx: ## Prepare this machine for releases: a builder of Docker's buildx, or buildah without Docker
	hack/images/install-buildx.sh

release $(IMAGES:%=%-image): export TARGET_PLATFORMS := $(or $(TARGET_PLATFORMS),$(PLATFORMS))
release release-amd64 $(IMAGES:%=%-image) $(IMAGES:%=%-amd64) $(IMAGES:%=%-dev): export BUILD_OUTPUT := $(or $(BUILD_OUTPUT),--push)
release-amd64 $(IMAGES:%=%-amd64): export TARGET_PLATFORMS := linux/amd64

release: build ## Build and push the images for every platform [*_IMAGE_REPO=] [RELEASE_VERSION=] [TARGET_PLATFORMS=] [BUILD_OUTPUT=--push] [PROGRESS=]
	hack/images/build.sh

release-amd64: build ## Build and push the images for linux/amd64
	hack/images/build.sh

$(IMAGES:%=%-image): %-image: build ## One image: controller-image, webhook-server-amd64, cri-client-dev (this machine's), clean-operator, …
	hack/images/build.sh $*

$(IMAGES:%=%-amd64): %-amd64: build
	hack/images/build.sh $*

$(IMAGES:%=%-dev): %-dev: build
	hack/images/build.sh $*

clean: ## Remove the built images from this machine, and what they were built from
	hack/images/clean.sh
	rm -rf dist

$(IMAGES:%=clean-%): clean-%:
	hack/images/clean.sh $*

##@ Installation

KUBECTL ?= kubectl
export KUBECTL KUBEFLEDGED_NAMESPACE OPERATOR_NAMESPACE YES

.PHONY: deploy deploy-using-yaml deploy-webhook-server-using-yaml update remove-webhook-server remove-kubefledged

deploy deploy-using-yaml: ## Install into kubectl's current context [KUBEFLEDGED_NAMESPACE=] [CONTROLLER_IMAGE_REPO=] [BUSYBOX_IMAGE_REPO=] [RELEASE_VERSION=]
	hack/deploy/yaml.sh apply

deploy-webhook-server-using-yaml: ## Add the webhook server, which checks image caches when they are written [WEBHOOK_SERVER_IMAGE_REPO=]
	hack/deploy/yaml.sh apply-webhook-server

update: ## Bring what `make deploy-using-yaml` installed to this checkout's manifests, and restart it [RELEASE_VERSION=]
	hack/deploy/yaml.sh update

remove-webhook-server: ## Remove the webhook server again
	hack/deploy/yaml.sh remove-webhook-server

remove-kubefledged: ## Remove everything again, image caches and CRDs included; asks first [YES=1]
	hack/deploy/yaml.sh remove

.PHONY: deploy-using-operator deploy-webhook-server-using-operator remove-webhook-server-using-operator remove-kubefledged-and-operator

deploy-using-operator: ## Install by the operator, which carries out KubeFledged objects [OPERATOR_IMAGE_REPO=] [KUBEFLEDGED_NAMESPACE=]
	hack/deploy/operator.sh apply

deploy-webhook-server-using-operator: ## Have the operator add the webhook server
	hack/deploy/operator.sh apply-webhook-server

remove-webhook-server-using-operator: ## Have the operator remove the webhook server again
	hack/deploy/operator.sh remove-webhook-server

remove-kubefledged-and-operator: ## Remove everything again, the operator, image caches and CRDs included; asks first [YES=1]
	hack/deploy/operator.sh remove

##@ A real cluster on this machine (root, Debian or Ubuntu; or CLUSTER=kind with Docker and kind)

NODES ?= 2
NODE ?= 1
CMD ?= ctr -n k8s.io images ls

.PHONY: cluster-build cluster-up cluster-down cluster-shell cluster-exec cluster-images cluster-deploy demo

cluster-build: ## Compile the cluster's programs (Kubernetes, etcd, containerd, …); about 10 minutes the first time
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
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9$$(][^:]*:.*## / {sub(/^.*IMAGES.*/, "IMAGE-image", $$1); printf "  %-32s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
