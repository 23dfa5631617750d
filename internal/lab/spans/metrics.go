package spans

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// PrintMetrics prints a line for each series.
func PrintMetrics(out io.Writer, all metricdata.ResourceMetrics) error {
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, scope := range all.ScopeMetrics {
		slices.SortFunc(scope.Metrics, func(a, b metricdata.Metrics) int { return strings.Compare(a.Name, b.Name) })
		for _, m := range scope.Metrics {
			list := series(m)
			if len(list) > 0 && list[0].labels != "" {
				fmt.Fprintln(t, m.Name+"\t")
			}
			for _, p := range list {
				name := "  " + p.labels
				if p.labels == "" {
					name = m.Name
				}
				fmt.Fprintf(t, "%s\t%s\n", name, p.value)
			}
		}
	}
	t.Flush()
	fmt.Fprint(out, "\nThe metrics, just before the pool was closed\n\n")
	for line := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// point is the value of a series.
type point struct{ labels, value string }

// series are the points of a metric, one without attributes first.
func series(m metricdata.Metrics) (list []point) {
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			list = append(list, point{labels(p.Attributes), fmt.Sprint(p.Value)})
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			longest, _ := p.Max.Value()
			text := "%d in %.3fs, max %.3fs"
			if m.Unit != "s" {
				text = "%d, sum %.2f, max %.2f"
			}
			list = append(list, point{labels(p.Attributes), fmt.Sprintf(text, p.Count, p.Sum, longest)})
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			most, _ := p.Max.Value()
			list = append(list, point{labels(p.Attributes), fmt.Sprintf("%d, sum %d, max %d", p.Count, p.Sum, most)})
		}
	}
	slices.SortFunc(list, func(a, b point) int { return strings.Compare(a.labels, b.labels) })
	return list
}

// labels is a set of attributes without the pool's name.
func labels(set attribute.Set) string { return strings.Join(words(set.ToSlice()), " ") }
