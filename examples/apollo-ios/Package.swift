// swift-tools-version: 6.1
import PackageDescription

// WebSocketTransport of Apollo iOS 2.0 was a place holder; from 2.4 on it is whole. What Apollo iOS asks of platforms:
// https://www.apollographql.com/docs/ios/migrations/2.0
let package = Package(
  name: "watch-campaign",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [
    .library(name: "Reports", targets: ["Reports"]),
    .library(name: "ReportsViews", targets: ["ReportsViews"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apollographql/apollo-ios.git", from: "2.4.0")
  ],
  targets: [
    .target(
      name: "Reports",
      dependencies: [
        .product(name: "Apollo", package: "apollo-ios"),
        .product(name: "ApolloWebSocket", package: "apollo-ios"),
      ]
    ),
    .target(name: "ReportsViews", dependencies: ["Reports"]),
    .executableTarget(name: "watch-campaign", dependencies: ["Reports"]),
  ]
)
