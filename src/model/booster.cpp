// SPDX-License-Identifier: MIT
#include "src/model/booster.hpp"

#include <algorithm>
#include <cstdint>
#include <dlfcn.h>
#include <string_view>
#include <xgboost/c_api.h>
#include <xgboost/version_config.h>

namespace intellisched {

namespace {

// XGBoost's message is "[time] file:line: what" and a stack trace on further lines; one line of it
// is of use.
tl::unexpected<Error> xgboost_error(std::string_view doing) {
    std::string_view text = XGBGetLastError();
    text = text.substr(0, text.find('\n'));
    if (const auto place = text.find("] "); place != text.npos) text.remove_prefix(place + 2);
    return fail("XGBoost cannot {}: {}", doing, printable(text, 200));
}

// A private context for every booster: one thread, and nothing on the terminal.
const Booster::Parameters fixed_parameters{{"nthread", "1"}, {"verbosity", "0"}};

Result<void> set_parameters(BoosterHandle handle, const Booster::Parameters& parameters) {
    for (const auto& [name, value] : parameters)
        if (XGBoosterSetParam(handle, name.c_str(), value.c_str()) != 0)
            return xgboost_error("take its parameters");
    return {};
}

// XGBoost sees these rows in place (the JSON form of numpy's __array_interface__, version 3).
std::string array_interface(const float* data, std::size_t rows, std::size_t columns) {
    return fmt::format(R"({{"data":[{},true],"shape":[{},{}],"typestr":"<f4","version":3}})",
                       reinterpret_cast<std::uintptr_t>(data), rows, columns);
}

// While it reads a model XGBoost does not know `nthread` yet and starts an OpenMP thread for every
// CPU, which then stay. OpenMP is asked by name: it is XGBoost's dependency, not ours.
void stay_on_one_thread() {
    using SetThreads = void (*)(int);
    if (void* set = ::dlsym(RTLD_DEFAULT, "omp_set_num_threads"))
        reinterpret_cast<SetThreads>(set)(1);
}

// Types of a prediction: enum PredictionType of xgboost/learner.h.
constexpr const char* inplace_config =
    R"({"type":1,"iteration_begin":0,"iteration_end":0,"strict_shape":true,"missing":NaN,"cache_id":0})";
constexpr const char* margin_config =
    R"({"type":1,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":true})";
constexpr const char* contribution_config =
    R"({"type":2,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":true})";

Result<std::vector<float>> predict_matrix(BoosterHandle booster, DMatrixHandle matrix,
                                          const char* config, std::string_view doing) {
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* values = nullptr;
    if (XGBoosterPredictFromDMatrix(booster, matrix, config, &shape, &dimensions, &values) != 0)
        return xgboost_error(doing);
    std::size_t size = 1;
    for (bst_ulong i = 0; i < dimensions; ++i) size *= shape[i];
    return std::vector<float>(values, values + size);
}

} // namespace

void Matrix::Free::operator()(void* handle) const { XGDMatrixFree(handle); }

Result<Matrix> Matrix::proxy() {
    DMatrixHandle handle = nullptr;
    if (XGProxyDMatrixCreate(&handle) != 0) return xgboost_error("make room for a row");
    Matrix matrix;
    matrix.handle_.reset(handle);
    return matrix;
}

Result<Matrix> Matrix::create(std::span<const float> values, std::size_t rows,
                              std::size_t columns) {
    DMatrixHandle handle = nullptr;
    if (XGDMatrixCreateFromDense(array_interface(values.data(), rows, columns).c_str(),
                                 R"({"missing":NaN,"nthread":1})", &handle) != 0)
        return xgboost_error("read the rows");
    Matrix matrix;
    matrix.handle_.reset(handle);
    return matrix;
}

void Booster::Free::operator()(void* handle) const { XGBoosterFree(handle); }

Result<Booster> Booster::create(const Matrix& data, const Parameters& parameters) {
    DMatrixHandle matrices[] = {data.handle()};
    BoosterHandle handle = nullptr;
    if (XGBoosterCreate(matrices, 1, &handle) != 0) return xgboost_error("make a model");
    Booster booster;
    booster.handle_.reset(handle);
    for (const auto& set : {fixed_parameters, parameters}) TRY(set_parameters(handle, set));
    return booster;
}

Result<Booster> Booster::load(std::span<const std::byte> verified_ubj, std::size_t features,
                              std::size_t classes) {
    BoosterHandle handle = nullptr;
    if (XGBoosterCreate(nullptr, 0, &handle) != 0) return xgboost_error("make a model");
    Booster booster;
    booster.handle_.reset(handle);
    TRY(set_parameters(handle, fixed_parameters));
    stay_on_one_thread();
    if (XGBoosterLoadModelFromBuffer(handle, verified_ubj.data(), verified_ubj.size()) != 0)
        return xgboost_error("load the model");
    booster.proxy_ = TRY(Matrix::proxy());
    booster.classes_ = classes;
    booster.row_ = std::make_unique<std::vector<float>>(features);
    booster.interface_ = array_interface(booster.row_->data(), 1, features);
    return booster;
}

Result<void> Booster::boost(const Matrix& data, std::span<float> gradient,
                            std::span<float> hessian) {
#if XGBOOST_VER_MAJOR >=                                                                           \
    3 // which says that the call below is deprecated; Debian 12's 1.7 has no other
    bst_ulong rows = 0;
    int round = 0;
    if (XGDMatrixNumRow(data.handle(), &rows) != 0 ||
        XGBoosterBoostedRounds(handle_.get(), &round) != 0)
        return xgboost_error("train");
    const auto view = [&](std::span<const float> values) {
        return array_interface(values.data(), rows, values.size() / rows);
    };
    const int status = XGBoosterTrainOneIter(handle_.get(), data.handle(), round,
                                             view(gradient).c_str(), view(hessian).c_str());
#else
    const int status = XGBoosterBoostOneIter(handle_.get(), data.handle(), gradient.data(),
                                             hessian.data(), gradient.size());
#endif
    if (status != 0) return xgboost_error("train");
    return {};
}

Result<std::string> Booster::save() const {
    bst_ulong size = 0;
    const char* bytes = nullptr;
    if (XGBoosterSaveModelToBuffer(handle_.get(), R"({"format":"ubj"})", &size, &bytes) != 0)
        return xgboost_error("save the model");
    return std::string(bytes, size);
}

Result<std::vector<float>> Booster::margins(const Matrix& data) const {
    return predict_matrix(handle_.get(), data.handle(), margin_config, "predict");
}

Result<std::span<const float>> Booster::margins(std::span<const float> row) const {
    if (row.size() != row_->size())
        return fail("a row has {} features where the model has {}; use the bundle that belongs to "
                    "this program",
                    row.size(), row_->size());
    std::copy(row.begin(), row.end(), row_->begin());
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* values = nullptr;
    if (XGBoosterPredictFromDense(handle_.get(), interface_.c_str(), inplace_config,
                                  proxy_.handle(), &shape, &dimensions, &values) != 0)
        return xgboost_error("predict");
    if (dimensions != 2 || shape[0] != 1 || shape[1] != classes_)
        return fail("XGBoost gave an answer of another shape than 1 x {}; retrain the model",
                    classes_);
    return std::span<const float>(values, classes_);
}

Result<std::vector<float>> Booster::contributions(std::span<const float> row) const {
    if (row.size() != row_->size())
        return fail("a row has {} features where the model has {}; use the bundle that belongs to "
                    "this program",
                    row.size(), row_->size());
    auto matrix = TRY(Matrix::create(row, 1, row.size()));
    auto values =
        predict_matrix(handle_.get(), matrix.handle(), contribution_config, "explain itself");
    if (values && values->size() != classes_ * (row.size() + 1))
        return fail("XGBoost gave {} contributions instead of {} x {}; retrain the model",
                    values->size(), classes_, row.size() + 1);
    return values;
}

} // namespace intellisched
