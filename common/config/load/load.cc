// load(), parse() and load_client(): the same steps over two sources of files, the disk and a
// bundle.

#include <algorithm>
#include <cerrno>
#include <tuple>

#include <fnmatch.h>
#include <glob.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/config/document/toml_reader.h"
#include "common/config/load/client_settings.h"
#include "common/config/load/host_name.h"
#include "common/config/load/include.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

// The children must see the same default as the supervisor without asking the resolver again, so
// the name travels in the bundle, under a path no file can have.
const std::string kHostNameFile = "@hostname";
const std::string kMailNameFile = "@mailname";
constexpr std::size_t kIncludesMax = 1000;

enum class Source { disk, disk_main_only, bundle };

class Loader {
 public:
  Loader(Source source, Bundle bundle) : source_(source) { loaded_.bundle = std::move(bundle); }

  Loaded run() {
    const std::string& main_file = loaded_.bundle.main_file;
    context_.directory = main_file.substr(0, main_file.rfind('/') + 1);
    context_.read = [this](const NamedFile& file, const Origin& at) {
      loaded_.named_files.push_back(file);
      return named_file(file.path, at);
    };
    auto text = configuration_file(main_file, Origin{main_file, 0, 0});
    if (text) {
      Node document = read_toml(main_file, *text, context_.diagnostics);
      bool whole = context_.diagnostics.empty();
      whole = add_includes(document) && whole;
      // Half a document would only yield complaints about what it lacks.
      if (whole)
        read_document(context_, document, {host_name(document), mail_name()}, loaded_.config);
    }
    loaded_.config.origins = std::move(context_.origins);
    finish(context_.diagnostics, loaded_.diagnostics);
    finish(context_.warnings, loaded_.warnings);
    return std::move(loaded_);
  }

 private:
  std::optional<std::string> configuration_file(const std::string& path, const Origin& at) {
    order_.push_back(path);
    auto known = loaded_.bundle.files.find(path);
    if (known != loaded_.bundle.files.end()) return known->second;
    if (source_ == Source::bundle) {
      context_.error(at, fmt::format("{} is not in the bundle", path));
      return std::nullopt;
    }
    auto text = read_small_file(path);
    if (!text) {
      bool main = at.line == 0;
      std::string why = text.error().text;
      // "FILE: FILE: reason" says it twice.
      if (main && why.compare(0, path.size() + 2, path + ": ") == 0) why.erase(0, path.size() + 2);
      context_.error(at, std::move(why));
      return std::nullopt;
    }
    loaded_.bundle.files[path] = *text;
    return text.take();
  }

  std::optional<std::string> named_file(const std::string& path, const Origin& at) {
    auto known = loaded_.bundle.files.find(path);
    if (known != loaded_.bundle.files.end()) return known->second;
    if (source_ != Source::disk) return std::nullopt;
    auto content = read_small_file(resolve_path(context_.directory, path));
    if (!content) {
      context_.error(at, content.error().text);
      return std::nullopt;
    }
    loaded_.bundle.files[path] = *content;
    return content.take();
  }

  bool add_includes(Node& document) {
    std::size_t before = context_.diagnostics.size();
    std::vector<std::pair<std::string, Origin>> wanted;
    for (const Node* pattern : include_patterns(context_, document))
      for (std::string& path : matching(resolve_path(context_.directory, pattern->text), *pattern))
        wanted.emplace_back(std::move(path), pattern->origin);
    for (const auto& [path, at] : wanted) {
      if (std::find(order_.begin(), order_.end(), path) != order_.end()) continue;
      if (order_.size() > kIncludesMax) {
        context_.error(at, fmt::format("more than {} included files", kIncludesMax));
        break;
      }
      auto text = configuration_file(path, at);
      if (text) merge_document(context_, document, read_toml(path, *text, context_.diagnostics));
    }
    return context_.diagnostics.size() == before;
  }

  // In sorted order. A pattern without wildcards must exist, one with them may match nothing.
  std::vector<std::string> matching(const std::string& pattern, const Node& node) {
    std::vector<std::string> out;
    if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
    if (source_ == Source::bundle) {
      for (const auto& [path, content] : loaded_.bundle.files)
        if (fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0)
          out.push_back(path);
      return out;
    }
    glob_t found{};
    int result = glob(pattern.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, &found);
    for (std::size_t i = 0; result == 0 && i < found.gl_pathc; ++i)
      out.emplace_back(found.gl_pathv[i]);
    globfree(&found);
    std::string folder = pattern.substr(0, pattern.find_first_of("*?["));
    folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/') + 1);
    bool no_folder = ::access(folder.empty() ? "." : folder.c_str(), F_OK) != 0 && errno == ENOENT;
    if (result != 0 && result != GLOB_NOMATCH && !no_folder)
      context_.error(node.origin, fmt::format("{}: the folder cannot be read", pattern));
    // By bytes, like the bundle's map and independent of the locale.
    std::sort(out.begin(), out.end());
    return out;
  }

  std::string host_name(const Node& document) {
    auto known = loaded_.bundle.files.find(kHostNameFile);
    if (known != loaded_.bundle.files.end()) return known->second;
    if (document.find("hostname") != nullptr || source_ == Source::bundle) return kNamelessHost;
    std::string& name = loaded_.bundle.files[kHostNameFile];
    if (auto found = machine_host_name()) return name = *found;
    context_.warn(Origin{loaded_.bundle.main_file, 1, 1},
                  "the machine's full name is not known (no name with a dot in /etc/hostname, "
                  "/etc/hosts or the DNS); set hostname, or all mail comes from "
                  "localhost.localdomain");
    return name = kNamelessHost;
  }

  std::string mail_name() {
    auto known = loaded_.bundle.files.find(kMailNameFile);
    if (known != loaded_.bundle.files.end()) return known->second;
    if (source_ == Source::bundle) return {};
    return loaded_.bundle.files[kMailNameFile] = machine_mail_name();
  }

  std::size_t rank(const std::string& file) const {
    auto at = std::find(order_.begin(), order_.end(), file);
    return static_cast<std::size_t>(at - order_.begin());
  }

  void finish(std::vector<Diagnostic>& from, std::vector<Diagnostic>& out) {
    out = std::move(from);
    auto place = [this](const Diagnostic& d) {
      return std::make_tuple(rank(d.origin.file), d.origin.line, d.origin.column);
    };
    std::stable_sort(out.begin(), out.end(),
                     [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
  }

  Source source_;
  Context context_;
  Loaded loaded_;
  std::vector<std::string> order_;  // of the configuration files, the main one first
};

}  // namespace

Loaded load(const std::string& file) {
  return Loader(Source::disk, Bundle{file, {}}).run();
}

Loaded parse(Bundle bundle) {
  return Loader(Source::bundle, std::move(bundle)).run();
}

Loaded load_client(const std::string& file) {
  return Loader(Source::disk_main_only, Bundle{file, {}}).run();
}

Config salvage_client(const std::string& file) {
  std::string plain;
  if (auto text = read_small_file(file))
    for (std::string_view line : split(*text, '\n')) {
      line = trim(line);
      if (!line.empty() && line.front() == '[') break;
      for (std::string_view key : {"hostname", "spool_dir", "runtime_dir", "drop_dir"}) {
        if (line.substr(0, key.size()) != key) continue;
        std::string one = std::string(line) + "\n";
        std::vector<Diagnostic> wrong;
        (void)read_toml(file, plain + one, wrong);
        if (wrong.empty()) plain += one;
      }
    }
  Bundle bundle{file, {{file, plain}}};
  if (plain.find("hostname") == std::string::npos)
    bundle.files[kHostNameFile] = machine_host_name().value_or(kNamelessHost);
  bundle.files[kMailNameFile] = machine_mail_name();
  return parse(std::move(bundle)).config;
}

}  // namespace postwain::config
