#include "common/content/header_edits.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/content/header_reader.h"

namespace postwain::mail {

std::string field_text(std::string_view name, std::string_view value, bool leading_space) {
  std::string out(name);
  out += ':';
  if (!leading_space) out += ' ';
  bool first = true;
  while (!value.empty()) {
    std::size_t end = std::min(value.find_first_of("\r\n"), value.size());
    std::string_view line = value.substr(0, end);
    value.remove_prefix(end);
    value.remove_prefix(std::min(value.find_first_not_of("\r\n"), value.size()));
    bool is_blank = line.find_first_not_of(" \t") == std::string_view::npos;
    if (!first && is_blank) continue;
    if (!first) {
      out += "\r\n";
      if (line.front() != ' ' && line.front() != '\t') out += '\t';
    }
    out += line;
    first = false;
  }
  out += "\r\n";
  return out;
}

HeaderEdits::HeaderEdits(std::string_view section, std::size_t hidden) {
  HeaderReader reader;
  auto take = [&] {
    while (reader.next_field())
      fields_.push_back({std::string(reader.field().text), fields_.size() < hidden});
  };
  while (!section.empty() && !reader.ended()) {
    std::size_t end = section.find('\n');
    std::size_t line = end == std::string_view::npos ? section.size() : end + 1;
    reader.append(section.substr(0, line));
    section.remove_prefix(line);
    take();
  }
  reader.finish();
  take();
}

bool HeaderEdits::Field::is_shown_as(std::string_view name) const {
  if (hidden) return false;
  std::string_view own = std::string_view(text).substr(0, text.find(':'));
  return iequals(own.substr(0, own.find_last_not_of(" \t") + 1), name);
}

void HeaderEdits::add(std::string field) {
  changed_ = true;
  fields_.push_back({std::move(field)});
}

void HeaderEdits::insert(std::size_t index, std::string field) {
  changed_ = true;
  std::size_t at = std::min(index, fields_.size());
  fields_.insert(fields_.begin() + static_cast<std::ptrdiff_t>(at), {std::move(field)});
}

void HeaderEdits::change(std::size_t index, std::string_view name, std::string field) {
  std::size_t left = std::max<std::size_t>(index, 1);
  auto at = std::find_if(fields_.begin(), fields_.end(),
                         [&](const Field& one) { return one.is_shown_as(name) && --left == 0; });
  if (at == fields_.end()) {
    if (!field.empty()) add(std::move(field));
    return;
  }
  changed_ = true;
  if (field.empty())
    fields_.erase(at);
  else
    at->text = std::move(field);
}

std::size_t HeaderEdits::remove(std::string_view name) {
  std::size_t removed =
      std::erase_if(fields_, [&](const Field& one) { return one.is_shown_as(name); });
  changed_ = changed_ || removed > 0;
  return removed;
}

std::vector<std::string_view> HeaderEdits::shown() const {
  std::vector<std::string_view> out;
  for (const Field& field : fields_)
    if (!field.hidden) out.emplace_back(field.text);
  return out;
}

std::string HeaderEdits::text() const {
  std::string out;
  out.reserve(octets());
  for (const Field& field : fields_) out += field.text;
  return out;
}

std::size_t HeaderEdits::octets() const {
  std::size_t sum = 0;
  for (const Field& field : fields_) sum += field.text.size();
  return sum;
}

}  // namespace postwain::mail
