// `include`: the files of a configuration made one document. Tables are joined, arrays of tables
// grow in the order of the files, anything else may be set once only.
#pragma once

#include <string>
#include <vector>

#include "common/config/section/section.h"

namespace postwain::config {

// Adds `from` to `into`; what stands in both is reported at the second place with the first.
void merge_document(Context& context, Node& into, Node&& from);

// The patterns of `include`, each with its place; mistakes are reported.
std::vector<const Node*> include_patterns(Context& context, const Node& document);

}  // namespace postwain::config
