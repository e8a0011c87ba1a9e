package lab_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

func TestAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write := func(lines string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(lines); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"verb":"create","requestURI":"/api/v1/pods","objectRef":{"resource":"pods"}}
`)
	log := &lab.AuditLog{Path: path}
	if err := log.Skip(); err != nil {
		t.Fatal(err)
	}
	write(`{"verb":"patch","requestURI":"/api/v1/namespaces/shop/pods/web/status","objectRef":{"resource":"pods","subresource":"status"},"responseStatus":{"code":200},"requestObject":[{"op":"add"}]}
{"verb":"create","requestURI":"/apis/networking.k8s.io/v1/networkpolicies?dryRun=All","objectRef":{"resource":"networkpolicies"},"responseStatus":{"code":201}}
{"verb":"delete","requestURI":"/api/v1/pods/web","objectRef":{"resource":"pods"},"requestObject":{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]}}
{"verb":"delete","requestURI":"/api/v1/pods/web","objectRef":{"resource":"pods"},"requestObject":{"kind":"DeleteOptions","apiVersion":"v1"}}
{"verb":"delete","requestURI":"/api/v1/pods/web","objectRef":{"resource":"pods"},"responseStatus":{"code":404}}
{"verb":"list","requestURI":"/api/v1/pods","objectRef":{"resource":"pods"}}
{"verb":"crea`)
	requests, err := log.Since()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range requests {
		what := r.What()
		if r.Write() {
			what += " writes"
		}
		if r.DryRun() {
			what += " nothing"
		}
		got = append(got, what)
	}
	want := []string{
		"patch pods/status writes", "create networkpolicies nothing", "delete pods nothing", "delete pods writes", "delete pods (404) writes", "list pods",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
