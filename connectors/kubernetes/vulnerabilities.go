package kubernetes

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// vulnerabilities tells what the Trivy operator knows of the images of a pod.
type vulnerabilities struct{}

func (vulnerabilities) describe() operation.Operation {
	const text, flag, count = `{"type": "string"}`, `{"type": "boolean"}`, `{"type": "integer", "minimum": 0}`
	return operation.Operation{
		Name: "vulnerabilities", Summary: "Known vulnerabilities of a pod's images, by the reports of the Trivy operator",
		Mode:      v1alpha1.OperationRead,
		Arguments: properties("pod", namespacedNameSchema),
		Result: properties("found", flag, "pod", text, "reports", count, "critical", count, "high", count, "medium", count, "low", count, "unknown", count,
			"fixableCritical", count, "fixableHigh", count, "ageSeconds", count, "images", `{"type": "array", "items": `+text+`}`,
			"worst", `{"type": "array", "items": `+properties("id", text, "severity", text, "resource", text, "installedVersion", text,
				"fixedVersion", text, "score", `{"type": "number"}`, "container", text)+`}`,
			"gaps", `{"type": "array", "items": `+text+`}`),
		// Whoever may edit the namespace writes reports too, and whoever creates the pod
		// says whose it is.
		Untrusted: []string{"pod", "reports", "critical", "high", "medium", "low", "unknown", "fixableCritical", "fixableHigh", "ageSeconds", "images", "worst", "gaps"},
	}
}

type knownVulnerabilities struct {
	Found           bool            `json:"found"`
	Pod             string          `json:"pod"`
	Reports         int64           `json:"reports"`
	Critical        int64           `json:"critical"`
	High            int64           `json:"high"`
	Medium          int64           `json:"medium"`
	Low             int64           `json:"low"`
	Unknown         int64           `json:"unknown"`
	FixableCritical int64           `json:"fixableCritical"`
	FixableHigh     int64           `json:"fixableHigh"`
	AgeSeconds      int64           `json:"ageSeconds"` // of the oldest report
	Images          []string        `json:"images"`
	Worst           []vulnerability `json:"worst"`
	Gaps            []string        `json:"gaps"`
}

type vulnerability struct {
	ID               string  `json:"id"`
	Severity         string  `json:"severity"`
	Resource         string  `json:"resource"`
	InstalledVersion string  `json:"installedVersion"`
	FixedVersion     string  `json:"fixedVersion"`
	Score            float64 `json:"score"`
	Container        string  `json:"container"`
}

// trivyReport is what counts of a VulnerabilityReport.
type trivyReport struct {
	Report struct {
		UpdateTimestamp metav1.Time `json:"updateTimestamp"`
		Artifact        struct {
			Repository string `json:"repository"`
			Tag        string `json:"tag"`
			Digest     string `json:"digest"`
		} `json:"artifact"`
		Summary struct {
			Critical int64 `json:"criticalCount"`
			High     int64 `json:"highCount"`
			Medium   int64 `json:"mediumCount"`
			Low      int64 `json:"lowCount"`
			Unknown  int64 `json:"unknownCount"`
		} `json:"summary"`
		Vulnerabilities []struct {
			ID               string  `json:"vulnerabilityID"`
			Severity         string  `json:"severity"`
			Resource         string  `json:"resource"`
			InstalledVersion string  `json:"installedVersion"`
			FixedVersion     string  `json:"fixedVersion"`
			Score            float64 `json:"score"`
		} `json:"vulnerabilities"`
	} `json:"report"`
}

// Labels of the Trivy operator. A name that is too long for a label is left out.
const (
	trivyKind, trivyName = "trivy-operator.resource.kind", "trivy-operator.resource.name"
	trivyContainer       = "trivy-operator.container.name"
)

const (
	maxWorst = 5
	maxText  = 128
	// maxCount that a report is believed to count.
	maxCount = 100_000
)

func (vulnerabilities) ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error) {
	a, err := decode[podArguments](arguments)
	if err != nil {
		return nil, err
	}
	reports, err := c.extras(ctx)
	if err != nil || !reports.has(vulnerabilityReports) {
		return nil, err
	}
	p, err := c.workload(ctx, a.Pod, "")
	if err != nil || p == nil {
		return nil, err
	}
	about, err := c.subjects(ctx, p)
	if err != nil {
		return nil, err
	}
	known := knownVulnerabilities{Pod: a.Pod, Images: []string{}, Worst: []vulnerability{}}
	for _, subject := range about {
		selector, ok := reportsOf(subject)
		if !ok {
			continue
		}
		reports.read(ctx, vulnerabilityReports, p.Namespace, func(found unstructured.Unstructured) {
			if _, named := found.GetLabels()[trivyName]; !named && !ownedBy(found, subject) {
				return
			}
			if err := known.add(found, c.clock.Now()); err != nil {
				reports.gap("VulnerabilityReport %s is not one that Trivy writes: %v", shorten.Characters(found.GetName(), maxText), err)
			}
		}, client.MatchingLabelsSelector{Selector: selector})
	}
	known.Found, known.Gaps = known.Reports > 0, reports.gaps
	if reports.err != nil || !known.Found && len(known.Gaps) == 0 {
		return nil, reports.err
	}
	return answer(known)
}

// subjects are the pod and those it belongs to, as they say themselves.
func (c *cluster) subjects(ctx context.Context, p *corev1.Pod) ([]owner, error) {
	owners, err := c.owners(ctx, &metav1.PartialObjectMetadata{ObjectMeta: p.ObjectMeta})
	return append([]owner{{Kind: "Pod", Name: p.Name, UID: string(p.UID)}}, owners...), err
}

// reportsOf selects the reports of an object; false where no label could name it.
func reportsOf(subject owner) (labels.Selector, bool) {
	kind, err := labels.NewRequirement(trivyKind, selection.Equals, []string{subject.Kind})
	if err != nil {
		return nil, false
	}
	name, err := labels.NewRequirement(trivyName, selection.Equals, []string{subject.Name})
	if err != nil {
		name, err = labels.NewRequirement(trivyName, selection.DoesNotExist, nil)
	}
	if err != nil {
		return nil, false
	}
	return labels.NewSelector().Add(*kind, *name), true
}

func ownedBy(found unstructured.Unstructured, subject owner) bool {
	return slices.ContainsFunc(found.GetOwnerReferences(), func(r metav1.OwnerReference) bool {
		return string(r.UID) == subject.UID
	})
}

// add counts a report in.
func (k *knownVulnerabilities) add(found unstructured.Unstructured, now time.Time) error {
	raw, err := decode[trivyReport](found.Object)
	if err != nil {
		return err
	}
	r := raw.Report
	k.Reports++
	k.Critical += believable(r.Summary.Critical)
	k.High += believable(r.Summary.High)
	k.Medium += believable(r.Summary.Medium)
	k.Low += believable(r.Summary.Low)
	k.Unknown += believable(r.Summary.Unknown)
	at := r.UpdateTimestamp
	if at.IsZero() {
		at = found.GetCreationTimestamp()
	}
	k.AgeSeconds = max(k.AgeSeconds, int64(now.Sub(at.Time)/time.Second))
	k.addImage(r.Artifact.Repository, r.Artifact.Tag, r.Artifact.Digest)
	for _, v := range r.Vulnerabilities {
		one := vulnerability{
			ID: clipped(v.ID), Severity: clipped(v.Severity), Resource: clipped(v.Resource), InstalledVersion: clipped(v.InstalledVersion),
			FixedVersion: clipped(v.FixedVersion), Score: min(max(v.Score, 0), 10), Container: clipped(found.GetLabels()[trivyContainer]),
		}
		if one.FixedVersion != "" && one.Severity == "CRITICAL" {
			k.FixableCritical++
		}
		if one.FixedVersion != "" && one.Severity == "HIGH" {
			k.FixableHigh++
		}
		k.Worst = worst(append(k.Worst, one))
	}
	return nil
}

func (k *knownVulnerabilities) addImage(repository, tag, digest string) {
	image := repository
	switch {
	case tag != "":
		image += ":" + tag
	case digest != "":
		image += "@" + digest
	}
	const most = 16
	if image = clipped(image); image != "" && len(k.Images) < most && !slices.Contains(k.Images, image) {
		k.Images = append(k.Images, image)
	}
}

// worst of them, each once: what a fix is known for comes first among equals.
func worst(all []vulnerability) []vulnerability {
	severities := []string{"UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"}
	slices.SortStableFunc(all, func(a, b vulnerability) int {
		return cmp.Or(cmp.Compare(slices.Index(severities, b.Severity), slices.Index(severities, a.Severity)),
			cmp.Compare(fixes(b), fixes(a)), cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Resource, b.Resource))
	})
	all = slices.Compact(all)
	return all[:min(len(all), maxWorst)]
}

func fixes(v vulnerability) int {
	if v.FixedVersion == "" {
		return 0
	}
	return 1
}

func believable(count int64) int64 { return min(max(count, 0), maxCount) }

func clipped(text string) string { return shorten.Characters(text, maxText) }
