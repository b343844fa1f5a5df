#include "runtime/model_repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "base/yaml_tree.h"

namespace tandem::runtime {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kConfigBytesMax = 64 * 1024;  // a handful of lines
constexpr size_t kNameBytesMax = 128;

bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

std::optional<uint64_t> parse_version(std::string_view name) {
  const auto version = parse_integer(name);
  if (!version || *version < 1 || name.front() == '0' || name.front() == '+') return std::nullopt;
  return static_cast<uint64_t>(*version);
}

// The folders in `directory` by name, without hidden ones.
std::vector<fs::path> folders_in(const fs::path& directory, std::vector<Diagnostic>& diagnostics) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (!entry->path().filename().string().starts_with('.') && entry->is_directory()) folders.push_back(entry->path());
  if (error)
    diagnostics.push_back({Diagnostic::Severity::error,
                           directory.string(),
                           0,
                           fmt::format("the folder cannot be read: {}", error.message()),
                           {}});
  std::sort(folders.begin(), folders.end());
  return folders;
}

class ConfigReader {
 public:
  ConfigReader(std::string_view file, std::vector<Diagnostic>& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  ModelConfig read(const YamlNode& root) {
    ModelConfig config;
    if (root.type == YamlNode::Type::null) return config;
    if (root.type != YamlNode::Type::map) {
      error(root.line, "a model's configuration is a map of keys to values");
      return config;
    }
    for (size_t i = 0; i < root.keys.size(); ++i) read_key(root.keys[i], root.key_lines[i], root.items[i], config);
    return config;
  }

 private:
  void read_key(const std::string& key, int line, const YamlNode& value, ModelConfig& config) {
    const auto whole = [&](int64_t least, int64_t most) { return read_whole(key, value, least, most); };
    if (key == "max_batch") {
      if (const auto number = whole(1, 4'096)) config.max_batch = static_cast<uint32_t>(*number);
    } else if (key == "batch_deadline_us") {
      if (const auto number = whole(0, 1'000'000)) config.batch_deadline = microseconds(*number);
    } else if (key == "instances") {
      if (const auto number = whole(1, 64)) config.instances = static_cast<uint32_t>(*number);
    } else if (key == "queue_max") {
      if (const auto number = whole(1, 1'000'000)) config.queue_max = static_cast<uint32_t>(*number);
    } else if (key == "tenants") {
      read_tenants(value, config);
    } else {
      static const std::vector<std::string> kKeys{"max_batch", "batch_deadline_us", "instances", "queue_max",
                                                  "tenants"};
      const auto meant = nearest(key, kKeys);
      error(line, fmt::format("there is no key '{}'{}", key, meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
    }
  }

  std::optional<int64_t> read_whole(const std::string& key, const YamlNode& value, int64_t least, int64_t most) {
    const auto number = value.type == YamlNode::Type::scalar && value.plain ? parse_integer(value.text) : std::nullopt;
    if (number && *number >= least && *number <= most) return number;
    error(value.line, fmt::format("'{}' must be a whole number from {} to {}", key, least, most));
    return std::nullopt;
  }

  void read_tenants(const YamlNode& value, ModelConfig& config) {
    if (value.type != YamlNode::Type::list) return error(value.line, "'tenants' must be a list of tenants' ids");
    for (const YamlNode& item : value.items) {
      if (item.type != YamlNode::Type::scalar || item.text.empty())
        error(item.line, "a tenant is given by its id");
      else
        config.tenants.push_back(item.text);
    }
  }

  void error(int line, std::string message) {
    diagnostics_.push_back({Diagnostic::Severity::error, std::string(file_), line, std::move(message), {}});
  }

  std::string_view file_;
  std::vector<Diagnostic>& diagnostics_;
};

// Nothing where the file is there and cannot be used.
std::optional<ModelConfig> read_config(const fs::path& file, std::vector<Diagnostic>& diagnostics) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return ModelConfig{};
  const auto bytes = read_file(file, kConfigBytesMax);
  if (!bytes) {
    diagnostics.push_back({Diagnostic::Severity::error, file.string(), 0, to_string(bytes.error()), {}});
    return std::nullopt;
  }
  const size_t before = diagnostics.size();
  ModelConfig config = parse_model_config(*bytes, file.string(), diagnostics);
  if (diagnostics.size() > before) return std::nullopt;
  return config;
}

}  // namespace

bool ModelConfig::may_use(std::string_view tenant) const {
  return tenants.empty() || tenant.empty() || std::find(tenants.begin(), tenants.end(), tenant) != tenants.end();
}

ModelConfig parse_model_config(std::string_view bytes, std::string_view file_name,
                               std::vector<Diagnostic>& diagnostics) {
  const auto root = parse_yaml(bytes, file_name, diagnostics);
  return root ? ConfigReader(file_name, diagnostics).read(*root) : ModelConfig{};
}

ModelRepository scan_model_repository(const fs::path& directory) {
  ModelRepository repository;
  const auto error = [&](const fs::path& at, std::string message) {
    repository.diagnostics.push_back({Diagnostic::Severity::error, at.string(), 0, std::move(message), {}});
  };
  for (const fs::path& folder : folders_in(directory, repository.diagnostics)) {
    const std::string model = folder.filename().string();
    if (!is_model_name(model)) {
      error(folder, "a model's name has letters, digits, '.', '_' and '-', at most 128");
      continue;
    }
    const auto config = read_config(folder / "config.yaml", repository.diagnostics);
    if (!config) continue;
    for (const fs::path& version_folder : folders_in(folder, repository.diagnostics)) {
      const auto version = parse_version(version_folder.filename().string());
      const fs::path path = version_folder / "model.onnx";
      std::error_code ignored;
      if (!version)
        error(version_folder, "a version is a whole number above 0, such as 1");
      else if (!fs::is_regular_file(path, ignored))
        error(version_folder, "there is no model.onnx here");
      else if (repository.files.size() >= kModelFilesMax)
        error(version_folder, fmt::format("a repository has {} versions of models at most", kModelFilesMax));
      else
        repository.files.push_back({model, *version, path, *config});
    }
  }
  std::sort(repository.files.begin(), repository.files.end(), [](const ModelFile& a, const ModelFile& b) {
    return std::tie(a.model, a.version) < std::tie(b.model, b.version);
  });
  return repository;
}

}  // namespace tandem::runtime
