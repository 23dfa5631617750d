// bcryptprimitives.dll for wine 8, which has none: Go's runtime takes its
// randomness from ProcessPrng. RtlGenRandom is what headers call
// SystemFunction036 of advapi32.dll.
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
	return RtlGenRandom(data, length);
}
