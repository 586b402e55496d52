// [addresses]: which address stands for which others. The files are those of alias_text.h.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/alias_text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address_pattern.h"

namespace postwain::config {

namespace {

constexpr std::size_t kIncludeDepthMax = 10;
constexpr std::size_t kAliasIncludesMax = 1000;  // of one aliases file

// What the lines of a map may name, and how much.
struct MapForm {
  AliasStyle style = AliasStyle::map;
  std::string_view names{};            // beside addresses
  std::size_t targets_max = SIZE_MAX;  // of one line
};
constexpr MapForm kAddressForm{};
constexpr MapForm kAliasForm{AliasStyle::aliases};
constexpr MapForm kSenderCopyForm{AliasStyle::map, "* <>", kBlindCopiesMax};
constexpr MapForm kRecipientCopyForm{AliasStyle::map, "*", kBlindCopiesMax};

// Reads one file into a map.
class MapReader {
 public:
  MapReader(Context& context, const MapForm& form, AddressMap& map)
      : context_(context), form_(form), style_(form.style), map_(map) {}

  void read(const Node& node) {
    std::size_t before = context_.diagnostics.size();
    auto content = context_.read(NamedFile{node.text, FileUse::addresses}, node.origin);
    if (!content) return forgive_missing(before);
    AliasText text = parse_alias_text(*content, style_);
    report(text, node.text);
    for (AliasLine& line : text.lines) take(node.text, line);
  }

 private:
  // Many machines have no /etc/aliases (yet); a map that was written for us is another matter.
  void forgive_missing(std::size_t before) {
    std::string_view reason = std::strerror(ENOENT);
    std::vector<Diagnostic>& errors = context_.diagnostics;
    if (style_ != AliasStyle::aliases || errors.size() == before) return;
    if (!std::string_view(errors.back().message).ends_with(reason)) return;
    context_.warn(errors.back().origin, std::move(errors.back().message));
    errors.pop_back();
  }

  // What is wrong in such a file is the business of one name, not of all mail: nobody is kept from
  // starting or from a reload, and mail to that name fails with the reason.
  void report(const AliasText& text, const std::string& path) {
    for (const AliasText::Mistake& one : text.mistakes)
      context_.warn(Origin{path, one.line, 1}, one.message);
  }

  void spoil(AddressEntry& entry, const Origin& at, std::string why) {
    if (entry.fault.empty()) entry.fault = why;
    context_.warn(at, std::move(why));
  }

  void take(const std::string& path, AliasLine& line) {
    AddressEntry entry;
    entry.origin = Origin{path, line.line, 1};
    bool aliases = style_ == AliasStyle::aliases;
    std::string key = aliases ? to_lower(line.name) : mail::canonical_pattern(line.name);
    bool good =
        aliases ? !key.empty() && key.find_first_of("@,\n") == std::string::npos : is_map_key(key);
    if (!good)
      return context_.warn(entry.origin, fmt::format("'{}' is {}", printable(line.name),
                                                     aliases ? "not a local part"
                                                             : "neither an address nor @domain"));
    for (AliasTarget& target : line.targets) add(target, entry, entry.origin);
    if (entry.targets.size() > form_.targets_max)
      spoil(entry, entry.origin,
            fmt::format("{} copies at most, not {}", form_.targets_max, entry.targets.size()));
    if (!entry.fault.empty()) entry.targets.clear();
    // "name" whose list is empty: there is such an address, and nobody behind it.
    auto [first, is_new] = map_.try_emplace(std::move(key), std::move(entry));
    if (!is_new)
      context_.warn(Origin{path, line.line, 1},
                    fmt::format("{} already stands at {}, which counts", printable(line.name),
                                first->second.origin.text()));
  }

  bool is_map_key(std::string_view key) const {
    if (key == "*" || key == "<>") return form_.names.find(key) != std::string_view::npos;
    if (!key.empty() && key.front() == '@') return is_domain(key.substr(1));
    return is_mailbox(key);
  }

  void add(AliasTarget& target, AddressEntry& entry, const Origin& at) {
    switch (target.kind) {
      case AliasTarget::Kind::address:
        // A list may be somebody else's, and lead to a file that is nobody's business.
        if (!is_target(target.text))
          spoil(entry, at,
                path_.empty() ? fmt::format("'{}' is not an address", printable(target.text))
                              : std::string("this is not an address"));
        else
          entry.targets.push_back({std::move(target.text), target.final});
        return;
      case AliasTarget::Kind::include:
        return include(target.text, entry, at);
      case AliasTarget::Kind::program:
      case AliasTarget::Kind::file:
        if (target.text == "/dev/null") return entry.targets.push_back({{}, true, true});
        return spoil(entry, at,
                     fmt::format("'{}': Postwain delivers to no programs and files (but for "
                                 "/dev/null); give the mail to a store by [[route]]",
                                 printable(target.text)));
    }
  }

  bool is_target(std::string_view text) const {
    if (style_ == AliasStyle::map && !text.empty() && text.front() == '@')
      return is_domain(text.substr(1));
    return is_mailbox(text) || (style_ == AliasStyle::aliases && is_local_part(text));
  }

  void include(const std::string& path, AddressEntry& entry, const Origin& at) {
    if (style_ != AliasStyle::aliases)
      return spoil(entry, at, ":include: belongs into an aliases file");
    if (path.empty()) return spoil(entry, at, ":include: needs a path");
    if (std::find(path_.begin(), path_.end(), path) != path_.end())
      return spoil(entry, at, fmt::format("{} includes itself", printable(path)));
    if (path_.size() >= kIncludeDepthMax)
      return spoil(entry, at, fmt::format(":include: goes {} files deep", kIncludeDepthMax));
    if (++includes_ > kAliasIncludesMax)
      return spoil(entry, at, fmt::format("more than {} files are included", kAliasIncludesMax));
    std::size_t before = context_.diagnostics.size();
    auto content = context_.read(NamedFile{path, FileUse::addresses}, at);
    if (!content) {
      // Also in a process that was not given the file: there the entry is void as well.
      std::string why = "the file it includes cannot be read";
      if (context_.diagnostics.size() > before) why = context_.diagnostics.back().message;
      context_.diagnostics.erase(context_.diagnostics.begin() + static_cast<std::ptrdiff_t>(before),
                                 context_.diagnostics.end());
      return spoil(entry, at, std::move(why));
    }
    AliasText text = parse_alias_text(*content, AliasStyle::list);
    report(text, path);
    path_.push_back(path);
    for (AliasLine& line : text.lines)
      for (AliasTarget& target : line.targets) add(target, entry, Origin{path, line.line, 1});
    path_.pop_back();
  }

  Context& context_;
  const MapForm& form_;
  AliasStyle style_;
  AddressMap& map_;
  std::vector<std::string> path_;  // of included files, to the one being read
  std::size_t includes_ = 0;
};

void read_map(Section& section, std::string_view key, const MapForm& form, AddressMap& map) {
  for (const Node* node : section.texts(key, true))
    MapReader(section.context(), form, map).read(*node);
}

// The names by which programs of this machine call it, and what completes their unqualified names.
std::vector<std::string> usual_alias_domains(const std::string& hostname,
                                             const std::string& origin) {
  std::string full = mail::domain_key(hostname);
  std::vector<std::string> out;
  for (std::string name : {full, full.substr(0, full.find('.')), mail::domain_key(origin),
                           std::string("localhost"), std::string("localhost.localdomain")})
    if (!name.empty() && std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(std::move(name));
  return out;
}

void one_target_each(Context& context, const AddressMap& map) {
  for (const auto& [key, entry] : map)
    if (entry.targets.size() > 1)
      context.warn(entry.origin,
                   fmt::format("{} can become one address only, not {}, and the first counts; "
                               "several are the business of virtual",
                               key, entry.targets.size()));
}

}  // namespace

void read_addresses(Context& context, const Node* table, const std::string& hostname,
                    const std::string& origin, Addresses& addresses) {
  addresses.origin = origin.empty() ? to_lower(hostname) : origin;
  addresses.alias_domains = usual_alias_domains(hostname, addresses.origin);
  if (table == nullptr) return;
  Section section(context, *table, "[addresses]");
  if (section.text("separator", addresses.separator) &&
      (addresses.separator.size() > 1 ||
       std::string_view("+-._=").find(addresses.separator) == std::string_view::npos))
    context.error(section.origin_of("separator"),
                  fmt::format("separator is one of + - . _ = or empty, not '{}'",
                              printable(addresses.separator)));
  std::string given;
  if (section.text("origin", given)) {
    if (is_domain(given)) {
      addresses.origin = to_lower(given);
      addresses.alias_domains = usual_alias_domains(hostname, addresses.origin);
    } else {
      context.error(section.origin_of("origin"),
                    fmt::format("'{}' is not a domain", printable(given)));
    }
  }
  if (section.find("alias_domains") != nullptr) addresses.alias_domains.clear();
  for (const Node* node : section.texts("alias_domains", true)) {
    if (is_domain(node->text))
      addresses.alias_domains.push_back(mail::domain_key(node->text));
    else
      section.error(*node, fmt::format("'{}' is not a domain", printable(node->text)));
  }
  read_map(section, "canonical", kAddressForm, addresses.sender_canonical);
  addresses.recipient_canonical = addresses.sender_canonical;
  read_map(section, "sender_canonical", kAddressForm, addresses.sender_canonical);
  read_map(section, "recipient_canonical", kAddressForm, addresses.recipient_canonical);
  read_map(section, "virtual", kAddressForm, addresses.virtual_addresses);
  read_map(section, "aliases", kAliasForm, addresses.aliases);
  read_map(section, "sender_bcc", kSenderCopyForm, addresses.sender_bcc);
  read_map(section, "recipient_bcc", kRecipientCopyForm, addresses.recipient_bcc);
  one_target_each(context, addresses.sender_canonical);
  one_target_each(context, addresses.recipient_canonical);
  section.finish();
}

}  // namespace postwain::config
