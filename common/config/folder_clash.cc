#include "common/config/folder_clash.h"

#include <filesystem>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/config.h"

namespace postwain::config {

namespace {

struct TakenFolder {
  std::string name;  // as a message tells it
  std::string path;
  bool others_inside = false;  // others may lie in it
};

struct OwnFolder {
  std::string_view section;
  const std::string& path;
  const Origin& table;
};

bool is_inside_or_same(const std::filesystem::path& one, const std::filesystem::path& of) {
  std::filesystem::path way = one.lexically_relative(of);
  return !way.empty() && *way.begin() != "..";
}

// How the folder lies to the taken one; nothing: apart from it.
std::optional<std::string_view> clash_of(const std::string& folder, const TakenFolder& taken) {
  bool inside = is_inside_or_same(folder, taken.path);
  bool above = is_inside_or_same(taken.path, folder);
  if (inside && above) return "the same folder as";
  if (above) return "above";
  if (inside && !taken.others_inside) return "inside of";
  return std::nullopt;
}

std::vector<TakenFolder> folders_of_all(const Config& config, const std::string& directory,
                                        const PathForm& form) {
  std::vector<TakenFolder> out{
      {"spool_dir", form(config.spool_dir)},
      {"the contents of spool_dir", form(config.spool_dir + "/content")},
      {"runtime_dir", form(config.runtime_dir)},
      {"the folder of the configuration", form(directory.empty() ? "." : directory), true}};
  if (!config.drop_dir.empty()) out.push_back({"drop_dir", form(config.drop_dir)});
  return out;
}

std::vector<OwnFolder> own_folders(const Config& config) {
  std::vector<OwnFolder> out;
  auto add = [&](std::string_view section, const auto& table) {
    if (table.wanted) out.push_back({section, table.folder, table.origin});
  };
  add("[strangers]", config.strangers);
  add("[tls_reports]", config.tls_reports);
  add("[dmarc_reports]", config.dmarc_reports);
  return out;
}

}  // namespace

std::string plain_path(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

std::vector<Diagnostic> folder_clashes(const Config& config, const std::string& directory,
                                       const PathForm& form) {
  std::vector<TakenFolder> taken = folders_of_all(config, directory, form);
  std::vector<Diagnostic> out;
  for (const OwnFolder& own : own_folders(config)) {
    std::string path = form(own.path);
    for (const TakenFolder& other : taken) {
      auto clash = clash_of(path, other);
      if (!clash) continue;
      Origin at = config.place_of(own.section, "folder");
      out.push_back(
          {at.line > 0 ? at : own.table,
           fmt::format("folder of {}: {} is {} {} ({}); it needs one of its own", own.section,
                       printable(own.path), *clash, other.name, printable(other.path))});
      break;
    }
    taken.push_back({fmt::format("that of {}", own.section), std::move(path)});
  }
  return out;
}

}  // namespace postwain::config
