// Package page looks at the live page of pool/debugpage in a real browser, Debian's
// chromium-headless-shell, while a server is frozen and thawed. It is a module of its
// own, so that what drives the browser reaches nobody else.
//
//	go test -screens /tmp ./...
//
// leaves screenshots there, and so does HALE_SCREENS=/tmp in the environment. What is
// looked at is also what axe-core, in testdata, can check of WCAG's rules.
package page
