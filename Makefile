# No C compiler is needed for anything here.
export CGO_ENABLED = 0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)
FUZZTIME ?= 30s

CACHE := $(or $(TOCSIN_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/tocsin,$(HOME)/.cache/tocsin))
TOOLS := $(CACHE)/tools/$(shell cat hack/tools/go.sum hack/tools/golangci-lint/main.go | sha256sum | cut -c1-12)/bin

CONTROLLER_GEN := $(TOOLS)/controller-gen
CRD_REF_DOCS   := $(TOOLS)/crd-ref-docs
HELM           := $(TOOLS)/helm
KUSTOMIZE      := $(TOOLS)/kustomize
GOLANGCI_LINT  := $(TOOLS)/golangci-lint

# What generate writes, and nothing else does.
GENERATED := api/v1alpha1/zz_generated.deepcopy.go api/v1alpha1/applyconfiguration \
	config/crd/soc.tocsin.dev_*.yaml config/rbac/role.yaml charts/tocsin/crds charts/tocsin/files docs/api/v1alpha1.md docs/coverage.md docs/policy-input.schema.json

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@echo 'make <target>'
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ Generated files

.PHONY: generate
generate: generate-code generate-crds generate-rbac generate-chart generate-docs generate-coverage ## Regenerate everything that is generated

.PHONY: generate-code
generate-code: $(CONTROLLER_GEN) ## Deep copies and apply configurations
	rm -rf api/v1alpha1/applyconfiguration
	$(CONTROLLER_GEN) object applyconfiguration paths=./api/...

.PHONY: generate-crds
generate-crds: $(CONTROLLER_GEN) ## CRDs, and their copy in the chart
	rm -f config/crd/soc.tocsin.dev_*.yaml
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd
	rm -rf charts/tocsin/crds && mkdir -p charts/tocsin/crds
	cp config/crd/soc.tocsin.dev_*.yaml charts/tocsin/crds/

.PHONY: generate-rbac
generate-rbac: $(CONTROLLER_GEN) ## The operator's ClusterRole, from the markers beside the code that needs it
	$(CONTROLLER_GEN) rbac:roleName=tocsin paths=./controllers/... paths=./internal/... output:rbac:dir=config/rbac

.PHONY: generate-chart
generate-chart: generate-rbac ## The chart's copies of the policies and roles in config
	rm -rf charts/tocsin/files && mkdir -p charts/tocsin/files
	for dir in admission rbac; do \
		mkdir charts/tocsin/files/$$dir && cp config/$$dir/*.yaml charts/tocsin/files/$$dir/ && \
		rm charts/tocsin/files/$$dir/kustomization.yaml || exit 1; \
	done

.PHONY: generate-docs
generate-docs: $(CRD_REF_DOCS) ## The API reference, and the published schema of what policies decide on
	mkdir -p docs/api
	$(CRD_REF_DOCS) --log-level=ERROR --config=hack/crd-ref-docs.yaml --source-path=api/v1alpha1 --renderer=markdown --output-path=docs/api/v1alpha1.md
	cp internal/policy/input.schema.json docs/policy-input.schema.json

.PHONY: generate-coverage
generate-coverage: ## What the shipped rules and playbooks cover of ATT&CK
	go run ./hack/coverage

.PHONY: verify
verify: generate ## Fail when generated files differ from their sources, or go vet complains
	@if [ -n "$$(git status --porcelain -- $(GENERATED))" ]; then \
		git --no-pager diff -- $(GENERATED); git status --short -- $(GENERATED); \
		echo "Generated files differ: run 'make generate' and commit the result." >&2; exit 1; fi
	go vet ./...
	go -C hack/controlplane vet ./...

##@ Build and check

.PHONY: build
build: ## Build bin/tocsin and bin/kubectl-soc
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tocsin ./cmd/kubectl-soc

.PHONY: assets
assets: ## Print the folder with etcd, kube-apiserver and kubectl (KUBEBUILDER_ASSETS), building it once
	@go -C hack/controlplane run . assets

.PHONY: test
test: $(HELM) $(KUSTOMIZE) ## Run all tests, on a real API server
	@assets="$$($(MAKE) -s --no-print-directory assets)" || exit 1; \
	export KUBEBUILDER_ASSETS="$$assets" PATH="$(TOOLS):$$PATH"; \
	go test ./... && go -C hack/controlplane test ./...

.PHONY: nodes-possible
nodes-possible: ## Say what this machine lacks to run nodes with pods (make e2e), if anything
	@go -C hack/controlplane build -o $(CURDIR)/bin/controlplane . && bin/controlplane sandbox true

.PHONY: e2e
e2e: nodes-possible ## Try actions on real nodes with real pods (Linux, root; logs in .e2e)
	@bin/controlplane build --nodes
	go test -count=1 -v -timeout 15m -exec '$(CURDIR)/bin/controlplane sandbox' ./test/e2e

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint, with kube-api-linter on api/
	$(GOLANGCI_LINT) run
	cd hack/controlplane && $(GOLANGCI_LINT) run --config ../../.golangci.yml

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|^(.*)/[^/]*:[0-9]+:func (.*)$$|\1 \2|' | \
	while read -r dir target; do \
		echo "$$dir $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir" || exit 1; \
	done

##@ See it work

# Only a KUBECONFIG given to make itself is meant: the demo attacks the cluster it runs on.
ifneq ($(origin KUBECONFIG),command line)
unexport KUBECONFIG
endif

.PHONY: demo
demo: ## Watch an attack being detected, contained and proven (KEEP=1; KILLS=n; KUBECONFIG=file AUDIT_LOG=file for a cluster of yours)
	@echo 'Compiling the demo: seconds, or a few minutes the first time' >&2
	@go run ./hack/demo

.PHONY: bench
bench: ## Measure on a real API server (ONLY=reaction for the steps so called); figures as JSON to OUT=file
	@echo 'Compiling the benchmark: seconds, or a few minutes the first time' >&2
	@go run ./hack/bench

.PHONY: eval
eval: ## Score verdicts on scenarios with known answers (SCENARIOS=dir, DATA=dir of sets of others, figures as JSON to OUT=file)
	@echo 'Compiling the evaluation: seconds, or a few minutes the first time' >&2
	@go run ./hack/eval

# Tools, built from pinned Go modules.

$(CONTROLLER_GEN): PKG = sigs.k8s.io/controller-tools/cmd/controller-gen
$(CRD_REF_DOCS):   PKG = github.com/elastic/crd-ref-docs
$(HELM):           PKG = helm.sh/helm/v3/cmd/helm
$(KUSTOMIZE):      PKG = sigs.k8s.io/kustomize/kustomize/v5
$(GOLANGCI_LINT):  PKG = ./golangci-lint

# Renamed when complete, so that an interrupted build leaves no tool behind.
$(CONTROLLER_GEN) $(CRD_REF_DOCS) $(HELM) $(KUSTOMIZE) $(GOLANGCI_LINT):
	@echo "Building $(@F), once" >&2
	@mkdir -p $(@D)
	@go -C hack/tools build -ldflags '-s -w' -o $@.partial $(PKG)
	@mv $@.partial $@
