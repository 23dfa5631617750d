package pool

import "runtime"

// readableUnknown is whether this system cannot tell what is unread.
var readableUnknown = runtime.GOOS == "windows" || runtime.GOOS == "plan9" || runtime.GOOS == "js" || runtime.GOOS == "wasip1"
