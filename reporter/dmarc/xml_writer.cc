#include "reporter/dmarc/xml_writer.h"

#include <utility>

#include <fmt/format.h>

namespace postwain::reporter {

namespace {

void append_escaped(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c < ' ' || c > '~' ? '?' : c;
  }
}

}  // namespace

XmlWriter::XmlWriter(std::string_view root, std::string_view attributes)
    : out_(fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{} {}>\n", root, attributes)),
      open_{std::string(root)} {}

void XmlWriter::indent() {
  out_.append(2 * open_.size(), ' ');
}

void XmlWriter::open(std::string_view name) {
  indent();
  out_ += fmt::format("<{}>\n", name);
  open_.emplace_back(name);
}

void XmlWriter::close() {
  std::string name = std::move(open_.back());
  open_.pop_back();
  indent();
  out_ += fmt::format("</{}>\n", name);
}

void XmlWriter::put(std::string_view name, std::string_view text) {
  indent();
  out_ += fmt::format("<{}>", name);
  append_escaped(out_, text);
  out_ += fmt::format("</{}>\n", name);
}

std::string XmlWriter::take() {
  while (!open_.empty()) close();
  return std::move(out_);
}

}  // namespace postwain::reporter
