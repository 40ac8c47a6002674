// A console program for the JVM; an Android app takes the `apollo` block and the dependencies as they are.

plugins {
    kotlin("jvm") version "2.2.20"
    id("com.apollographql.apollo") version "5.0.1"
    application
}

// The normalised cache is a library of its own since Apollo Kotlin 5:
// https://www.apollographql.com/docs/kotlin/caching/migration-guide
val cacheVersion = "1.0.0"

dependencies {
    implementation("com.apollographql.apollo:apollo-runtime:5.0.1")
    implementation("com.apollographql.cache:normalized-cache:$cacheVersion")
    implementation("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.10.2")
    implementation("com.squareup.okhttp3:okhttp:5.1.0") // its own ping finds dead connections: see Reports.kt
}

apollo {
    service("reports") {
        // Reads src/main/graphql: operations.graphql, extra.graphqls, and schema.graphqls, which is copied there.
        packageName.set("com.example.reports.api")

        // Without these they would be `Any`. A BigInt is a number up to 2^53-1.
        mapScalarToKotlinString("DateTime")
        mapScalarToKotlinString("PhoneNumber")
        mapScalarToKotlinLong("BigInt")

        // Writes `ApolloClient.Builder.cache()`, which knows extra.graphqls.
        plugin("com.apollographql.cache:normalized-cache-apollo-compiler-plugin:$cacheVersion")
        pluginArgument("com.apollographql.cache.packageName", packageName.get())
    }
}

application {
    mainClass.set("com.example.reports.MainKt")
}
