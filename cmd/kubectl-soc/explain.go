package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
)

func newExplain(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "explain CASE",
		Short:             "Show the sum behind a verdict, line by line",
		Args:              oneName("case"),
		ValidArgsFunction: c.completeCases,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.explain(cmd, args[0]) },
	}
}

func (c *cli) explain(cmd *cobra.Command, name string) error {
	s, err := c.connect()
	if err != nil {
		return err
	}
	found, err := s.investigation(cmd.Context(), name)
	if err != nil {
		return err
	}
	thresholds, err := s.thresholds(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprint(c.Out, c.style().Explain(found, thresholds))
	return nil
}

// thresholds of the namespace's Analyst; nil where the caller may not read it.
func (s *session) thresholds(ctx context.Context) (*v1alpha1.Thresholds, error) {
	var a v1alpha1.Analyst
	err := s.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: analyst.DefaultName}, &a)
	switch {
	case apierrors.IsForbidden(err):
		return nil, nil
	case client.IgnoreNotFound(err) != nil:
		return nil, plainly(err)
	}
	settings, _ := analyst.SettingsOf(&a) // of none, and of one that is not in force, the defaults
	return &settings.Thresholds, nil
}
