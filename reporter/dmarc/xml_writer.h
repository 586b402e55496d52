// Writes a small XML document: elements only. What is put into one is escaped, and holds nothing
// that XML has no place for. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::reporter {

class XmlWriter {
 public:
  // root: the outermost element, with its attributes.
  XmlWriter(std::string_view root, std::string_view attributes);

  // name: a constant.
  void open(std::string_view name);
  void close();
  // What is not printable ASCII becomes a question mark.
  void put(std::string_view name, std::string_view text);
  // Closes all that is open.
  std::string take();

 private:
  void indent();

  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace postwain::reporter
