#include "tests/simdisk/power_cut.h"

#include <algorithm>

namespace postwain::simdisk {

namespace {

void grow(std::string& file, std::size_t size, bool rubbish, Random& random) {
  std::size_t old = file.size();
  if (size <= old) return;
  file.resize(size);
  if (rubbish)
    for (std::size_t i = old; i < size; ++i) file[i] = static_cast<char>(random());
}

void put(std::string& file, std::uint64_t offset, std::string_view bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  file.replace(offset, bytes.size(), bytes);
}

// Only some of the sectors of a write have reached the platter.
void put_torn(std::string& file, const Entry& write, std::size_t sector, bool rubbish,
              Random& random) {
  std::uint64_t end = write.offset + write.text.size();
  if (random() % 2 == 0) grow(file, end, rubbish, random);
  for (std::uint64_t at = write.offset; at < end;) {
    std::uint64_t next = std::min<std::uint64_t>(end, (at / sector + 1) * sector);
    if (random() % 2 == 0)
      put(file, at, std::string_view(write.text).substr(at - write.offset, next - at));
    at = next;
  }
}

enum class Mood : std::uint8_t { none, all, in_order, any, torn };

void apply_whole(std::string& file, const Entry& entry) {
  if (entry.call == Call::write)
    put(file, entry.offset, entry.text);
  else
    file.resize(entry.offset);
}

void apply_loose(std::string& file, const std::vector<const Entry*>& entries, Mood mood,
                 Random& random) {
  std::size_t in_order = random() % (entries.size() + 1);
  bool rubbish = random() % 4 == 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = *entries[i];
    bool kept = random() % 2 == 0;
    switch (mood) {
      case Mood::none:
        break;
      case Mood::all:
        apply_whole(file, entry);
        break;
      case Mood::in_order:
        if (i < in_order) apply_whole(file, entry);
        // The last of them is the one the cut went through.
        if (i == in_order && entry.call == Call::write) put_torn(file, entry, 512, rubbish, random);
        break;
      case Mood::any:
        if (kept) apply_whole(file, entry);
        if (!kept && entry.call == Call::write && random() % 4 == 0)
          grow(file, entry.offset + entry.text.size(), rubbish, random);
        break;
      case Mood::torn:
        if (entry.call == Call::write)
          put_torn(file, entry, kept ? 512 : 4096, rubbish, random);
        else if (kept)
          apply_whole(file, entry);
        break;
    }
  }
}

void apply_name(Image& image, const Entry& entry) {
  if (entry.call == Call::unlink)
    image.names.erase(entry.text);
  else
    image.names[entry.text] = entry.inode;
}

}  // namespace

PowerCut::PowerCut(const Image& first, const std::vector<Entry>& log, std::uint64_t seed)
    : log_(log), safe_(first), random_(seed) {}

void PowerCut::advance(std::size_t position) {
  for (; position_ < position; ++position_) {
    const Entry& entry = log_[position_];
    switch (entry.call) {
      case Call::write:
      case Call::truncate:
        loose_[entry.inode].push_back(&entry);
        break;
      case Call::sync:
        synced(entry.inode);
        break;
      case Call::failed_sync:
        sync_failed(entry.inode);
        break;
      case Call::create:
        safe_.files[entry.inode];
        if (entry.text.empty())
          unnamed_.insert(entry.inode);
        else
          loose_names_.push_back(&entry);
        break;
      case Call::link:
        unnamed_.erase(entry.inode);
        loose_names_.push_back(&entry);
        break;
      case Call::unlink:
      case Call::make_folder:
        loose_names_.push_back(&entry);
        break;
      case Call::sync_folder:
        folder_synced(entry.text);
        break;
    }
  }
}

void PowerCut::synced(Inode inode) {
  if (unnamed_.contains(inode)) return;
  auto found = loose_.find(inode);
  if (found == loose_.end()) return;
  for (const Entry* entry : found->second) apply_whole(safe_.files[inode], *entry);
  loose_.erase(found);
}

void PowerCut::sync_failed(Inode inode) {
  auto found = loose_.find(inode);
  if (found == loose_.end()) return;
  apply_loose(safe_.files[inode], found->second, Mood::torn, random_);
  loose_.erase(found);
}

void PowerCut::folder_synced(const std::string& folder) {
  auto in_folder = [&](const Entry* entry) { return folder_of(entry->text) == folder; };
  for (const Entry* entry : loose_names_)
    if (in_folder(entry)) apply_name(safe_, *entry);
  loose_names_.erase(std::remove_if(loose_names_.begin(), loose_names_.end(), in_folder),
                     loose_names_.end());
}

Image PowerCut::image(Random& random) const {
  Image image = safe_;
  auto overall = static_cast<Mood>(random() % 5);
  bool each_its_own = random() % 2 == 0;
  for (const auto& [inode, entries] : loose_) {
    Mood mood = each_its_own ? static_cast<Mood>(random() % 5) : overall;
    apply_loose(image.files[inode], entries, mood, random);
  }
  std::size_t in_order = random() % (loose_names_.size() + 1);
  std::uint64_t names = random() % 4;
  for (std::size_t i = 0; i < loose_names_.size(); ++i) {
    bool happened = names == 0 || (names == 1 && i < in_order) || (names == 2 && random() % 2 == 0);
    if (happened) apply_name(image, *loose_names_[i]);
  }
  // A folder that is gone takes its names along; a file without a name is free space.
  std::map<std::string, Inode> reachable;
  for (const auto& [name, inode] : image.names)
    if (folder_of(name).empty() || reachable.contains(folder_of(name)))
      reachable.emplace(name, inode);
  image.names = std::move(reachable);
  std::map<Inode, std::string> files;
  for (const auto& [name, inode] : image.names)
    if (auto found = image.files.find(inode); found != image.files.end()) files.insert(*found);
  image.files = std::move(files);
  return image;
}

}  // namespace postwain::simdisk
