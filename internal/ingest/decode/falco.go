package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// falco decodes what Falco's http_output and falcosidekick's webhook output send:
// one event, or a list of them.
type falco struct{}

// falcoEvent has the fields that both send. Fields of output_fields may be null.
type falcoEvent struct {
	UUID     string         `json:"uuid"`
	Time     string         `json:"time"`
	Rule     string         `json:"rule"`
	Priority string         `json:"priority"`
	Output   string         `json:"output"`
	Source   string         `json:"source"`
	Hostname string         `json:"hostname"`
	Tags     []string       `json:"tags"`
	Fields   map[string]any `json:"output_fields"`
}

func (falco) list(body []byte) ([]json.RawMessage, error) {
	items := []json.RawMessage{body}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		if err := unmarshal(body, &items); err != nil {
			return nil, fmt.Errorf("list of events of Falco: %w", err)
		}
	}
	return items, nil
}

// Count implements Decoder.
func (f falco) Count(body []byte) int {
	items, _ := f.list(body) // Decode tells.
	return max(1, len(items))
}

// Decode implements Decoder.
func (f falco) Decode(body []byte, received time.Time) Batch {
	items, err := f.list(body)
	if err != nil {
		return whole(body, err)
	}
	var batch Batch
	for _, item := range items {
		spec, err := falcoAlert(item, received)
		if err != nil {
			batch.Failures = append(batch.Failures, Failure{Body: item, Class: ClassFormat, Err: err})
			continue
		}
		batch.add(spec, item)
	}
	return batch
}

func falcoAlert(raw []byte, received time.Time) (v1alpha1.AlertSpec, error) {
	var e falcoEvent
	if err := unmarshal(raw, &e); err != nil {
		return v1alpha1.AlertSpec{}, fmt.Errorf("event of Falco: %w", err)
	}
	if strings.TrimSpace(e.Rule) == "" {
		return v1alpha1.AlertSpec{}, errors.New("event of Falco: rule: must be set; is json_output enabled in Falco?")
	}
	at, _ := time.Parse(time.RFC3339Nano, e.Time)
	spec := v1alpha1.AlertSpec{
		Rule: e.Rule, Title: falcoTitle(e.Output), Severity: falcoSeverity(e.Priority),
		Techniques: tagged(e.Tags), Entities: e.entities(), Attributes: e.attributes(),
		FirstSeen: metav1.NewMicroTime(at),
	}
	Bound(&spec, received)
	return spec, nil
}

var (
	// Falco begins its output with the time and the priority, and ends it with fields that are attributes here.
	falcoPrefix = regexp.MustCompile(`^[0-9T:.+Z-]{8,40}: (?:Emergency|Alert|Critical|Error|Warning|Notice|Informational|Info|Debug) `)
	falcoFields = regexp.MustCompile(` (?:\||\((?:[\w.]+=)).*$`)
)

func falcoTitle(output string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(output), "\n")
	return falcoFields.ReplaceAllString(falcoPrefix.ReplaceAllString(first, ""), "")
}

func falcoSeverity(priority string) v1alpha1.Severity {
	switch strings.ToLower(priority) {
	case "emergency":
		return v1alpha1.SeverityFatal
	case "alert", "critical":
		return v1alpha1.SeverityCritical
	case "error":
		return v1alpha1.SeverityHigh
	case "notice":
		return v1alpha1.SeverityLow
	case "informational", "info", "debug":
		return v1alpha1.SeverityInformational
	}
	return v1alpha1.SeverityMedium
}

func tagged(tags []string) []v1alpha1.Technique {
	var found []v1alpha1.Technique
	for _, tag := range tags {
		found = append(found, v1alpha1.Technique(strings.ToUpper(tag)))
	}
	return found // Bound leaves out the tags that are no techniques.
}

// field is empty where Falco knows nothing.
func (e *falcoEvent) field(name string) string {
	switch v := e.Fields[name].(type) {
	case string:
		if v != "<NA>" && v != "null" {
			return v
		}
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	case []any, map[string]any:
		if nested, err := json.Marshal(v); err == nil {
			return string(nested)
		}
	}
	return ""
}

// entities names as the actor the pod, or the account that a plugin of Falco tells of;
// for any other event outside of pods, the node.
func (e *falcoEvent) entities() []v1alpha1.Entity {
	var found []v1alpha1.Entity
	add := func(t v1alpha1.EntityType, role v1alpha1.EntityRole, value string) {
		if value != "" {
			found = append(found, v1alpha1.Entity{Type: t, Role: role, Value: value})
		}
	}
	nodeRole := v1alpha1.RoleActor
	if pod := e.pod(); pod != "" {
		add(v1alpha1.EntityPod, v1alpha1.RoleActor, pod)
		nodeRole = v1alpha1.RoleRelated
	}
	if account := e.account(); account != "" {
		found = append(found, auditevent.Identity{Name: account}.Entity())
		nodeRole = v1alpha1.RoleRelated
	}
	if e.field("ka.target.resource") == "pods" {
		add(v1alpha1.EntityPod, v1alpha1.RoleTarget, podNamed(e.field("ka.target.namespace"), e.field("ka.target.name")))
	}
	add(v1alpha1.EntityNamespace, v1alpha1.RoleRelated, e.field("ka.target.namespace"))
	add(v1alpha1.EntityNode, nodeRole, e.node())
	add(v1alpha1.EntityContainerImage, v1alpha1.RoleRelated, e.image())
	process := e.field("proc.exepath")
	if process == "" {
		process = e.field("proc.name")
	}
	add(v1alpha1.EntityProcess, v1alpha1.RoleRelated, process)
	add(v1alpha1.EntityUser, v1alpha1.RoleRelated, e.field("user.name"))
	for _, address := range e.addresses() {
		add(v1alpha1.EntityIP, v1alpha1.RoleRelated, address)
	}
	return auditevent.Distinct(found)
}

// addresses that the event names, each once; of a connection that fd.name alone tells,
// as in 10.0.0.1:40312->203.0.113.7:443, both ends, the one beyond private networks first.
func (e *falcoEvent) addresses() []string {
	var values []string
	for _, name := range []string{"fd.rip", "fd.sip", "ct.srcip", "okta.client.ip"} {
		values = append(values, e.field(name))
	}
	if client, server, ok := strings.Cut(e.field("fd.name"), "->"); ok {
		values = append(values, withoutPort(server), withoutPort(client))
	}
	var beyond, within []string
	for _, value := range values {
		address, err := netip.ParseAddr(value)
		if err != nil {
			continue
		}
		address = address.Unmap().WithZone("")
		if address.IsGlobalUnicast() && !address.IsPrivate() {
			beyond = append(beyond, address.String())
		} else {
			within = append(within, address.String())
		}
	}
	return append(beyond, within...)
}

// withoutPort takes off the port; Falco writes IPv6 addresses without brackets.
func withoutPort(end string) string {
	if i := strings.LastIndexByte(end, ':'); i >= 0 {
		return end[:i]
	}
	return end
}

func (e *falcoEvent) pod() string { return podNamed(e.field("k8s.ns.name"), e.field("k8s.pod.name")) }

// account is who acted in the cluster, in the cloud or at the identity provider, as
// the plugins k8saudit, cloudtrail and okta tell.
func (e *falcoEvent) account() string {
	for _, name := range []string{"ka.user.name", "ct.user", "okta.actor.alternateID"} {
		if account := e.field(name); account != "" {
			return account
		}
	}
	return ""
}

func podNamed(namespace, name string) string {
	if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return ""
	}
	return namespace + "/" + name
}

func (e *falcoEvent) node() string {
	if node := e.field("k8s.node.name"); node != "" {
		return node
	}
	return e.Hostname
}

func (e *falcoEvent) image() string {
	image := e.field("container.image.repository")
	if tag := e.field("container.image.tag"); image != "" && tag != "" {
		image += ":" + tag
	}
	return image
}

func (e *falcoEvent) attributes() map[string]string {
	found := map[string]string{
		"output": e.Output, "uuid": e.UUID,
		"falco.source": e.Source, "falco.tags": strings.Join(e.Tags, " "),
	}
	for name := range e.Fields {
		found[name] = e.field(name)
	}
	return found
}
