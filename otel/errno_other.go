//go:build !unix && !windows && !js && !wasip1

package otelhale

// errnoType knows nothing: errors are words on Plan 9.
func errnoType(error) string { return "" }
