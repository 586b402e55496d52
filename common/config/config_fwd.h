// That there is a configuration, for headers that take one by reference.
#pragma once

namespace postwain::config {
struct Config;
}
