// Package page looks at the live page of pool/debugpage in a real browser, Debian's
// chromium-headless-shell, while a server is frozen and thawed. It is a module of its
// own, so that what drives the browser reaches nobody else.
//
//	go test -screens /tmp ./...
//
// leaves screenshots there.
package page
