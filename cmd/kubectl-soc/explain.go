package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/analyst"
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
	settings, err := analyst.For(ctx, s, s.namespace)
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	return &settings.Thresholds, plainly(err)
}
