// Which build this is, as far as the program and its plug-in must agree on it.
#pragma once

namespace kindred {

/// Version, content of the seam's headers and of the CUDA kernels, and compiler. Equal on both sides of a plug-in, or
/// the plug-in is not used.
const char* BuildId();

}  // namespace kindred
