"""What can be tested of the examples for Apollo iOS and Apollo Kotlin without a Mac, Xcode and Gradle."""
