# What the output of a test binary (-test.v) says: how many tests passed, and
# which were skipped, with the last that they said before.

/^=== (RUN|CONT|NAME)/ { name = $3 }
/^ +[a-z_]+\.go:[0-9]+: / {
	sub(/^ +[a-z_]+\.go:[0-9]+: /, "")
	said[name] = $0
}
/^--- PASS: / { passed++ }
/^ *--- SKIP: / {
	skips++
	skipped[skips] = $3
}

END {
	file = FILENAME
	sub(/.*\//, "", file)
	sub(/\.[0-9]+\.out$/, "", file)
	printf "\n%s: %d passed, %d skipped\n", file, passed, skips
	for (i = 1; i <= skips; i++)
		printf "  %s: %s\n", skipped[i], said[skipped[i]]
}
