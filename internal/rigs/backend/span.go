package backend

import (
	"encoding/json"
	"time"
)

// Span is a span as OTLP's JSON has it.
type Span struct {
	Trace      string     `json:"traceId"`
	ID         string     `json:"spanId"`
	Parent     string     `json:"parentSpanId"` // empty for a root
	Name       string     `json:"name"`
	Start      Nanos      `json:"startTimeUnixNano,string"`
	End        Nanos      `json:"endTimeUnixNano,string"`
	Attributes Attributes `json:"attributes"`
	Events     []Event    `json:"events"`
	Links      []Link     `json:"links"`
	Status     struct {
		Code int `json:"code"` // 2 is an error
	} `json:"status"`
}

// Failed reports whether the span's status is an error.
func (s Span) Failed() bool { return s.Status.Code == 2 }

// Event is a span event.
type Event struct {
	Name       string     `json:"name"`
	Time       Nanos      `json:"timeUnixNano,string"`
	Attributes Attributes `json:"attributes"`
}

// Link is a span link.
type Link struct {
	Trace      string     `json:"traceId"`
	Span       string     `json:"spanId"`
	Attributes Attributes `json:"attributes"`
}

// Nanos is a time: nanoseconds since 1970.
type Nanos int64

// Time returns it as Go has it.
func (n Nanos) Time() time.Time { return time.Unix(0, int64(n)) }

// Attributes are values by key: string, bool, int64 or float64.
type Attributes map[string]any

// UnmarshalJSON reads OTLP's list of keys and typed values. Values of other
// types are left out.
func (a *Attributes) UnmarshalJSON(text []byte) error {
	var list []struct {
		Key   string `json:"key"`
		Value struct {
			String *string  `json:"stringValue"`
			Bool   *bool    `json:"boolValue"`
			Int    *int64   `json:"intValue,string"`
			Double *float64 `json:"doubleValue"`
		} `json:"value"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*a = make(Attributes, len(list))
	for _, entry := range list {
		switch v := entry.Value; {
		case v.String != nil:
			(*a)[entry.Key] = *v.String
		case v.Bool != nil:
			(*a)[entry.Key] = *v.Bool
		case v.Int != nil:
			(*a)[entry.Key] = *v.Int
		case v.Double != nil:
			(*a)[entry.Key] = *v.Double
		}
	}
	return nil
}
