package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// explain turns an error of the API server into one of the contract's, and says
// what to grant where something is forbidden.
func (c *cluster) explain(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: %s: %s", connectors.ErrForbidden, doing, c.account.missing(err))
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: %s: %w", connectors.ErrNotFound, doing, err)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%w: %s: %w", connectors.ErrConflict, doing, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fmt.Errorf("%w: %s: %w", connectors.ErrInvalid, doing, err)
	case silent(err):
		return fmt.Errorf("%w: %s: %w", connectors.ErrUnavailable, doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// silent says that the API server did not answer, or has no room. What a webhook fails is none of it:
// who can write one would make the connector stop calling.
func silent(err error) bool {
	var transport net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return false
	case apierrors.IsServiceUnavailable(err), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err):
		return true
	}
	return errors.As(err, &transport) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// denial matches how the API server words what RBAC denies.
var denial = regexp.MustCompile(`cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?`)

// missing says which right the ServiceAccount lacks, and how to give it.
func (a account) missing(err error) string {
	message := err.Error()
	if strings.Contains(message, "not currently held") {
		return fmt.Sprintf("%s. ServiceAccount %s must hold every right that the role gives, or the verb bind on that role", message, a)
	}
	found := denial.FindStringSubmatch(message)
	if found == nil {
		return message
	}
	verb, resource, group, namespace := found[1], found[2], found[3], found[4]
	if strings.HasPrefix(verb, "impersonate") {
		return a.handOver()
	}
	binding := "ClusterRoleBinding"
	if namespace != "" {
		binding = "RoleBinding in namespace " + namespace
	}
	return fmt.Sprintf("ServiceAccount %s lacks verb %s on resource %q in API group %q; grant it with a %s, for example to "+
		"ClusterRole %s", a, strings.Trim(verb, `"`), resource, group, binding, shippedRole(group, resource))
}

// shippedRole names the role that has a right. What could be turned against Tocsin
// itself, or shows every Secret, is in roles of its own, bound by nothing that ships.
func shippedRole(group, resource string) string {
	switch {
	case group == admissionregistrationv1.GroupName && strings.HasPrefix(resource, "validatingadmissionpolic"):
		return "tocsin-connector-admission"
	case resource == "secrets":
		return "tocsin-connector-token-secrets"
	}
	return "tocsin-connector-reader, tocsin-connector-responder or, for delete-object, tocsin-connector-deleter"
}

// handOver says how the operator is let act as the ServiceAccount.
func (a account) handOver() string {
	return fmt.Sprintf("the operator may not act as ServiceAccount %s. Create in namespace %s a Role with the rule "+
		`{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate], resourceNames: [%s]}`+
		" and a RoleBinding of it to ServiceAccount tocsin-system/tocsin", a, a.namespace, a.name)
}

// refused says whether the API server answered that it did nothing, and would again. After
// most other errors a write may have happened; one that has too much to do takes it later.
func refused(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests
}

// definite are the errors of the contract: they say that nothing was done.
func definite(err error) bool {
	for _, known := range []error{
		connectors.ErrInvalid, connectors.ErrNotFound, connectors.ErrForbidden, connectors.ErrUnsupported, connectors.ErrConflict,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return refused(err)
}

// failed ends an execution with an error: as a Failed result where it is certain
// that nothing was changed, as the error itself where it is not.
func failed(err error) (connectors.Result, error) {
	if !definite(err) {
		return connectors.Result{Outcome: v1alpha1.OutcomeUnknown}, err
	}
	return connectors.Result{Outcome: v1alpha1.OutcomeFailed, Message: err.Error()}, nil
}

func succeeded(format string, args ...any) (connectors.Result, error) {
	return connectors.Result{Outcome: v1alpha1.OutcomeSucceeded, Message: fmt.Sprintf(format, args...)}, nil
}

func gone(err error) bool { return errors.Is(err, connectors.ErrNotFound) }
