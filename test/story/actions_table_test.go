package story_test

// actionTest is an action, and what it is about.
type actionTest struct {
	operation string
	// with are its arguments, and objects what is there before, both as YAML.
	with, objects string
	// changed are the kinds that it changes, left those that undo does not put back.
	changed, left []string
	// final: there is no undo, and whoever asks for one is told.
	final bool
	// anew: undo makes another object of that name.
	anew bool
}

// sceneKinds are what actions change.
var sceneKinds = []string{
	"v1 Namespace", "v1 Node", "v1 Pod", "v1 Service", "v1 ServiceAccount", "v1 Secret", "apps/v1 Deployment", "apps/v1 ReplicaSet",
	"batch/v1 CronJob", "networking.k8s.io/v1 NetworkPolicy", "rbac.authorization.k8s.io/v1 RoleBinding",
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding",
}

const everythingRuns = `
apiVersion: soc.tocsin.dev/v1alpha1
kind: Connector
metadata: {name: cluster, namespace: TENANT}
spec: {type: Kubernetes, serviceAccountName: responder}
---
apiVersion: soc.tocsin.dev/v1alpha1
kind: ApprovalPolicy
metadata: {name: drill, namespace: TENANT}
spec:
  module: |
    package tocsin.approval

    allow contains "a drill"
  tests: |
    package tocsin.approval_test

    import data.tocsin.approval

    test_it_runs if count(approval.allow) == 1
`

const (
	webPod = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: SCENE, labels: {app: web, soc.tocsin.dev/case: older}, annotations: {team: shop}}
spec: {containers: [{name: web, image: example.com/web}]}
`
	webDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: SCENE}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "example.com/web:2"}]}}
`
	// openPolicy lets what is isolated through, unless that is kept off it.
	openPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: SCENE}
spec: {podSelector: {}, ingress: [{}], egress: [{}], policyTypes: [Ingress, Egress]}
`
	node = `
apiVersion: v1
kind: Node
metadata: {name: SCENE}
spec: {taints: [{key: team, value: shop, effect: NoSchedule}]}
`
	podOnNode = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: SCENE}
spec: {nodeName: SCENE, terminationGracePeriodSeconds: 0, containers: [{name: web, image: example.com/web}]}
`
	revisions = `
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-1
  namespace: SCENE
  annotations: {deployment.kubernetes.io/revision: "1"}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: UID, controller: true}]
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web, pod-template-hash: "1"}}, spec: {containers: [{name: web, image: "example.com/web:1"}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-2
  namespace: SCENE
  annotations: {deployment.kubernetes.io/revision: "2"}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: UID, controller: true}]
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web, pod-template-hash: "2"}}, spec: {containers: [{name: web, image: "example.com/web:2"}]}}
`
	cronJob = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: web, namespace: SCENE}
spec:
  schedule: "*/5 * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: example.com/web}]}}}}
`
	// roleBinding gives rights that the connector holds, so that it may give them back.
	roleBinding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web, namespace: SCENE}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: SCENE, labels: {team: shop}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web, namespace: SCENE}]
`
	service = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: SCENE, labels: {team: shop}}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
`
	account = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: SCENE, annotations: {role: web}}
imagePullSecrets: [{name: registry}]
automountServiceAccountToken: false
---
apiVersion: v1
kind: Secret
metadata: {name: web-token, namespace: SCENE, annotations: {kubernetes.io/service-account.name: web}}
type: kubernetes.io/service-account-token
`
)

const next = "\n---\n"

var everyAction = map[string]actionTest{
	"label":    {operation: "label", objects: webPod, changed: kinds("Pod"), with: `{kind: Pod, namespace: SCENE, name: web, labels: {soc.tocsin.dev/case: c, soc.tocsin.dev/suspect: "yes"}}`},
	"annotate": {operation: "annotate", objects: webPod, changed: kinds("Pod"), with: `{kind: Pod, namespace: SCENE, name: web, annotations: {soc.tocsin.dev/why: a shell}}`},
	"isolate pod": {
		operation: "isolate-pod", objects: webPod + next + openPolicy, with: `{pod: SCENE/web}`, changed: kinds("NetworkPolicy", "Pod"),
	},
	"isolate workload": {
		operation: "isolate-workload", objects: webDeployment + next + openPolicy, changed: kinds("NetworkPolicy"),
		with: `{kind: Deployment, namespace: SCENE, name: web}`,
	},
	"isolate namespace": {operation: "isolate-namespace", objects: webPod + next + openPolicy, with: `{namespace: SCENE}`, changed: kinds("NetworkPolicy")},
	"block destination": {operation: "block-destination", objects: webPod, with: `{namespace: SCENE, cidr: 203.0.113.0/24}`, changed: kinds("NetworkPolicy")},
	"delete pod":        {operation: "delete-pod", objects: webPod, with: `{pod: SCENE/web}`, changed: kinds("Pod"), left: kinds("Pod"), final: true},
	"evict pod":         {operation: "evict-pod", objects: webPod, with: `{pod: SCENE/web}`, changed: kinds("Pod"), left: kinds("Pod"), final: true},
	"restart workload": {
		operation: "restart-workload", objects: webDeployment, changed: kinds("Deployment"), left: kinds("Deployment"), final: true,
		with: `{kind: Deployment, namespace: SCENE, name: web}`,
	},
	"rollback workload": {
		operation: "rollback-workload", objects: webDeployment + next + revisions, changed: kinds("Deployment"),
		with: `{kind: Deployment, namespace: SCENE, name: web}`,
	},
	"scale to zero":   {operation: "scale-to-zero", objects: webDeployment, with: `{kind: Deployment, namespace: SCENE, name: web}`, changed: kinds("Deployment")},
	"suspend cronjob": {operation: "suspend-cronjob", objects: cronJob, with: `{cronJob: SCENE/web}`, changed: kinds("CronJob")},
	"cordon":          {operation: "cordon", objects: node, with: `{node: SCENE}`, changed: kinds("Node")},
	// Its pods do not come back.
	"drain":      {operation: "drain", objects: node + next + podOnNode, with: `{node: SCENE}`, changed: kinds("Node", "Pod"), left: kinds("Pod")},
	"taint node": {operation: "taint-node", objects: node, with: `{node: SCENE, key: soc.tocsin.dev/suspect, effect: NoSchedule}`, changed: kinds("Node")},
	"remove role binding": {
		operation: "remove-role-binding", objects: roleBinding, changed: kinds("RoleBinding"), anew: true,
		with: `{kind: RoleBinding, namespace: SCENE, name: web}`,
	},
	"delete object": {operation: "delete-object", objects: service, with: `{kind: Service, namespace: SCENE, name: web}`, changed: kinds("Service"), anew: true},
	// The account that is put back says which action made it.
	"revoke service account": {
		operation: "revoke-service-account", objects: account, with: `{serviceAccount: SCENE/web}`,
		changed: kinds("Secret", "ServiceAccount"), left: kinds("ServiceAccount"), anew: true,
	},
	"lock identity": {
		operation: "lock-identity", with: `{user: mallory@SCENE}`, changed: kinds("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
	},
	"block image": {
		operation: "block-image", with: `{repository: example.com/SCENE/miner}`, changed: kinds("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
	},
	// It changes the archive only.
	"capture evidence": {operation: "capture-evidence", objects: webPod, with: `{pod: SCENE/web}`, final: true},
}

func kinds(of ...string) []string { return of }
