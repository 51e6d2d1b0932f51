// SPDX-License-Identifier: MIT
// XGBoost 1.7 behind values and errors; booster.cpp alone includes its C header. Everything runs on
// the calling thread (nthread=1: one row is faster so, and training is reproducible to the bit).
#pragma once

#include "src/base/result.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace intellisched {

/// Rows of features in XGBoost's own form.
class Matrix {
  public:
    /// One without rows, for predictions on rows that stay where they are (a "proxy").
    [[nodiscard]] static Result<Matrix> proxy();

    /// Copies `values`, rows × columns, row by row; NaN is a missing value. Errors: XGBoost's own,
    /// e.g. an infinite value.
    [[nodiscard]] static Result<Matrix> create(std::span<const float> values, std::size_t rows,
                                               std::size_t columns);

    [[nodiscard]] void* handle() const { return handle_.get(); }

  private:
    struct Free {
        void operator()(void* handle) const;
    };
    std::unique_ptr<void, Free> handle_;
};

/// An ensemble of trees (or, for a baseline, linear) that gives one margin a class. Its objective
/// is named multi:softprob, which is what the file says and verify_model() wants; what is descended
/// is whatever the caller's gradients say. Not thread-safe, and margins() of a row keeps a buffer,
/// so its output is valid until the next call.
class Booster {
  public:
    using Parameters = std::vector<std::pair<std::string, std::string>>;

    /// An untrained ensemble. `data` must outlive it.
    [[nodiscard]] static Result<Booster> create(const Matrix& data, const Parameters& parameters);

    /// Loads a model that verify_model() has passed: XGBoost itself does not check node indices.
    [[nodiscard]] static Result<Booster> load(std::span<const std::byte> verified_ubj,
                                              std::size_t features, std::size_t classes);

    /// Adds one round: for each row and class the first and second derivative of the loss by the
    /// margin, rows × classes. XGBoost takes them as they are; both spans are left alone.
    [[nodiscard]] Result<void> boost(const Matrix& data, std::span<float> gradient,
                                     std::span<float> hessian);

    /// The model in UBJSON.
    [[nodiscard]] Result<std::string> save() const;

    /// Margins, rows × classes, of a matrix.
    [[nodiscard]] Result<std::vector<float>> margins(const Matrix& data) const;

    /// Margins by class of one row of `features` values; NaN is a missing value. The span is valid
    /// until the next call. Only after load().
    [[nodiscard]] Result<std::span<const float>> margins(std::span<const float> row) const;

    /// SHAP values of one row, classes × (features + 1), the last of each class its bias; in
    /// log-odds. Only after load().
    [[nodiscard]] Result<std::vector<float>> contributions(std::span<const float> row) const;

  private:
    struct Free {
        void operator()(void* handle) const;
    };
    std::unique_ptr<void, Free> handle_;
    std::size_t classes_ = 0;
    Matrix proxy_; // kept, for a new one looks up the CPU limit of its control group every time
    std::unique_ptr<std::vector<float>> row_; // where `interface_` says that the row stands
    std::string interface_;                   // JSON array interface of *row_
};

} // namespace intellisched
