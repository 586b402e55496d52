// Descriptors 0, 1 and 2.
#pragma once

namespace postwain {

// Opens /dev/null at each of them that is closed. Whoever starts us without may mean nothing by it;
// but the next file or socket we open would then be what our messages are written into. First of
// all in main().
void fill_standard_streams();

}  // namespace postwain
